/** The address of a dashboard's page from anywhere on its server: `link` is relative to the folder of notebooks. */
export function address(link, here, baseUrl) {
  if (here.pathname.includes("/voila/render/")) return new URL(link, here).href;
  return new URL(`${baseUrl}voila/render/${link}`, here).href; // in JupyterLab, whose own pages cannot be filled in
}

/** The page's own address with what the link fills in, and in the theme that it has. */
export function remembered(link, here) {
  const own = new URL(here);
  const theme = own.searchParams.get("theme");
  own.search = new URL(link, here).search;
  if (theme) own.searchParams.set("theme", theme);
  return own.href;
}

function baseUrl() {
  const config = document.getElementById("jupyter-config-data");
  return config ? JSON.parse(config.textContent).baseUrl : "/";
}

function render({ model, el }) {
  const stop = new AbortController();
  const button = document.createElement("button");
  const said = document.createElement("span");
  const shown = document.createElement("input");
  button.type = "button";
  said.setAttribute("role", "status");
  shown.readOnly = true;
  shown.setAttribute("aria-label", "The link, to be copied");
  shown.hidden = true;
  el.classList.add("omics-copylink");
  el.append(button, said, shown);

  const show = () => { button.textContent = model.get("label"); said.textContent = ""; shown.hidden = true; };
  const copy = async () => {
    const url = address(model.get("link"), window.location, baseUrl());
    try {
      await navigator.clipboard.writeText(url); // refused without https, except on this machine
      said.textContent = "Copied.";
    } catch {
      said.textContent = "Copy it here:";
      shown.value = url;
      shown.hidden = false;
      shown.select();
    }
  };
  button.addEventListener("click", copy, { signal: stop.signal });
  const remember = () => {
    // Only where the page is the dashboard: the address of a notebook in JupyterLab is Lab's own.
    if (!model.get("remembered") || !document.querySelector("#rendered_cells")) return;
    window.history.replaceState(null, "", remembered(model.get("link"), window.location.href));
  };
  model.on("change:label change:link", show);
  model.on("change:link", remember);
  show();
  remember();
  return () => { stop.abort(); model.off("change:label change:link", show); model.off("change:link", remember); };
}

export default { render };
