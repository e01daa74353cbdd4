// How a question was understood, as chips that can be taken away and added to. Each change is one message; the kernel
// edits the query, searches anew, and gives the chips back.

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Where the focus goes once chip `at` of `n` is gone: the one in its place, the last one, or nowhere (-1). */
export function next(at, n) {
  return Math.min(at, n - 2);
}

function render({ model, el }) {
  // Each widget has a module of its own, so a counter would begin anew in each.
  const id = `omics-chips-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const list = make("ul", { class: "omics-chips", "aria-label": "The question was read as" });
  const input = make("input", { type: "text", id: `${id}-add`, autocomplete: "off", placeholder: "mouse; RNA-seq; not cell line; at least 8 samples …" });
  const add = make("button", { type: "submit", class: "jupyter-button omics-button" }, "Add");
  const form = make("form", { class: "omics-chips-add" }, make("label", { for: input.id }, "Add a condition"), input, add);
  const organism = make("select", { id: `${id}-organism` });
  const organisms = make("div", { class: "omics-chips-add" }, make("label", { for: organism.id }, "Organism"), organism);
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(make("div", { class: "omics-page omics-reading" }, list, make("div", { class: "omics-chips-tools" }, organisms, form)));
  let focus = null;

  const send = (message) => !model.get("disabled") && model.send(message);

  const chip = ({ kind, text, excluded }, at) => {
    const remove = make("button", { type: "button", class: "omics-chip-remove", "aria-label": `Remove ${kind} ${text}` }, "×");
    remove.addEventListener("click", () => {
      focus = next(at, model.get("chips").length);
      send({ remove: at });
    });
    const name = make("span", { class: "omics-chip-kind" }, excluded ? `${kind} not` : kind);
    return make("li", { class: excluded ? "omics-chip-not" : "" }, name, make("span", {}, text), remove);
  };

  const show = () => {
    list.replaceChildren(...model.get("chips").map(chip));
    list.hidden = !model.get("chips").length;
    organism.replaceChildren(
      make("option", { value: "" }, "any"),
      ...model.get("organisms").map((name) => make("option", { value: name }, name)),
    );
    organism.value = model.get("organism");
    if (focus === null) return;
    (focus < 0 ? input : list.querySelectorAll("button")[focus] ?? input).focus();
    focus = null;
  };
  const disable = () => {
    const off = model.get("disabled");
    input.readOnly = off;
    for (const button of [add, ...list.querySelectorAll("button")]) button.setAttribute("aria-disabled", off);
  };

  // JupyterLab keeps Enter from submitting a form, so it is asked for here.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.stopPropagation();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!input.value.trim() || model.get("disabled")) return;
    send({ add: input.value });
    input.value = "";
  });
  organism.addEventListener("change", () => send({ organism: organism.value }));
  model.on("change:chips change:organisms change:organism", show);
  model.on("change:disabled", disable);
  show();
  return () => {
    model.off("change:chips change:organisms change:organism", show);
    model.off("change:disabled", disable);
  };
}

export default { render };
