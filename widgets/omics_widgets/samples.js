// Samples in three lists, tested, reference and left out: drag a row, or choose its list, which the keyboard can do too.
// The kernel keeps the groups; a move is one message.

const GROUPS = ["tested", "reference", "out"];

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Samples by group, in their own order; those that no group has are left out. */
export function lists(samples, groups) {
  const found = Object.fromEntries(GROUPS.map((group) => [group, []]));
  for (const sample of samples) (found[groups[sample.key]] ?? found.out).push(sample);
  return found;
}

function render({ model, el }) {
  const root = make("div", { class: "omics-samples", role: "group", "aria-label": "Samples of each group" });
  const summary = make("summary", {}, "Sample by sample");
  const advice = "Drag a row to another list, or choose its list at its end. Samples left out are not compared.";
  // Folded at first: a study may have hundreds of rows, each a stop on the keyboard's way.
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(make("details", { class: "omics-page omics-samples-fold" }, summary, make("p", {}, advice), root));
  let focus = null;
  const names = () => ({ ...model.get("names"), out: "Left out" });

  const move = (keys, to) => {
    if (!model.get("disabled") && keys.length) model.send({ move: keys, to });
  };

  const row = (sample, group) => {
    const choice = make("select", { "aria-label": `Group of ${sample.key} ${sample.title}` });
    for (const other of GROUPS) choice.append(make("option", { value: other }, names()[other]));
    choice.value = group;
    choice.disabled = model.get("disabled");
    choice.addEventListener("change", () => {
      focus = sample.key;
      move([sample.key], choice.value);
    });
    const item = make(
      "li",
      { draggable: "true", "data-key": sample.key },
      make("span", { class: "omics-sample-text", title: sample.title }, make("b", {}, sample.key), ` ${sample.title}`),
      make("span", { class: "omics-sample-note", title: sample.note }, sample.note),
      choice,
    );
    item.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", sample.key));
    return item;
  };

  const column = (group, samples) => {
    const shown = make("section", { class: "omics-samples-list", "aria-label": names()[group], "data-group": group });
    const count = `${samples.length} ${samples.length === 1 ? "sample" : "samples"}`;
    const list = make("ul", { class: "omics-samples-rows" }, ...samples.map((sample) => row(sample, group)));
    shown.append(make("h4", {}, names()[group], make("span", { class: "omics-dim" }, ` ${count}`)), list);
    shown.addEventListener("dragover", (event) => {
      event.preventDefault();
      shown.classList.add("omics-over");
    });
    shown.addEventListener("dragleave", () => shown.classList.remove("omics-over"));
    shown.addEventListener("drop", (event) => {
      event.preventDefault();
      shown.classList.remove("omics-over");
      const key = event.dataTransfer.getData("text/plain");
      if (model.get("samples").some((sample) => sample.key === key)) move([key], group);
    });
    return shown;
  };

  const show = () => {
    const scrolled = [...root.querySelectorAll("ul")].map((list) => list.scrollTop);
    const found = lists(model.get("samples"), model.get("groups"));
    const sizes = GROUPS.map((group) => `${found[group].length} ${group === "out" ? "left out" : group}`);
    summary.textContent = `Sample by sample: ${sizes.join(", ")}`;
    root.replaceChildren(...GROUPS.map((group) => column(group, found[group])));
    [...root.querySelectorAll("ul")].forEach((list, at) => (list.scrollTop = scrolled[at] ?? 0));
    if (focus === null) return;
    // The row has gone to another list; whoever uses a keyboard goes with it.
    [...root.querySelectorAll("li")].find((item) => item.dataset.key === focus)?.querySelector("select").focus();
    focus = null;
  };
  const disable = () => {
    for (const choice of root.querySelectorAll("select")) choice.disabled = model.get("disabled");
  };
  const events = "change:samples change:groups change:names";
  model.on(events, show);
  model.on("change:disabled", disable);
  show();
  return () => {
    model.off(events, show);
    model.off("change:disabled", disable);
  };
}

export default { render };
