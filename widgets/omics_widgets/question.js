// A question and the button that asks it. What is asked travels with the asking, for the widgets' channel may hold a
// change of a trait back until the one before is acknowledged, but never a message: a fast "type and Enter" would
// else ask for half of the question.

function field(label, input) {
  const wrapped = document.createElement("div");
  const name = document.createElement("label");
  wrapped.className = "omics-field omics-question";
  name.className = "widget-label";
  name.textContent = label;
  input.id = `omics-question-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  name.htmlFor = input.id;
  wrapped.append(name, input);
  return wrapped;
}

function render({ model, el }) {
  const form = document.createElement("form");
  const input = document.createElement("input");
  const button = document.createElement("button");
  form.className = "omics-ask";
  form.setAttribute("role", "search");
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  form.setAttribute("data-lm-suppress-shortcuts", "true");
  input.type = "text";
  input.autocomplete = "off";
  button.type = "submit";
  button.className = "jupyter-button omics-button omics-search mod-primary";
  button.textContent = model.get("action");
  form.append(field(model.get("label"), input), button);
  el.append(form);

  const keep = () => {
    model.set("text", input.value);
    model.save_changes();
  };
  const show = () => {
    if (input.value !== model.get("text")) input.value = model.get("text");
    input.placeholder = model.get("placeholder");
    // Read-only rather than disabled: whoever uses a keyboard keeps their place.
    input.readOnly = model.get("disabled");
    button.setAttribute("aria-disabled", model.get("disabled"));
  };
  const ask = (event) => {
    event.preventDefault();
    if (model.get("disabled")) return;
    keep();
    model.send({ ask: input.value });
  };
  // JupyterLab keeps Enter from submitting a form, so it is asked for here.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.stopPropagation();
    form.requestSubmit();
  });
  form.addEventListener("submit", ask);
  input.addEventListener("change", keep);
  model.on("change", show);
  show();
  return () => model.off("change", show);
}

export default { render };
