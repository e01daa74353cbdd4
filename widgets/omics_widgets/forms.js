// Fields with labels, help, units and, beside each, what is wrong with it. All values go to the kernel with the button,
// in one message; the kernel checks them, and the first field that is wrong gets the focus.


function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== false) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The name of an input's element and its attributes, by the kind of its field. */
export function control({ kind, options }) {
  if (kind === "choice") return ["select", {}, options];
  if (kind === "lines") return ["textarea", { rows: 3 }];
  if (kind === "flag") return ["input", { type: "checkbox" }];
  if (kind === "date") return ["input", { type: "date" }];
  // Not type=number, which gives no value at all for what is no number: what was typed is told and explained.
  const mode = { integer: "numeric", number: "decimal" }[kind];
  return ["input", { type: "text", autocomplete: "off", ...(mode ? { inputmode: mode } : {}) }];
}

/** The help of a field: what it is, its limits, and that it may be left empty. */
export function hint({ help, limits, required, kind }) {
  const free = !required && !["flag", "choice"].includes(kind) && !/empty|None/.test(help) ? "may be empty" : "";
  return [help, limits, free].filter(Boolean).join("; ");
}

function render({ model, el }) {
  // Each widget has a module of its own, so a counter would begin anew in each.
  const id = `omics-form-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const form = make("form", { novalidate: "", class: "omics-page omics-form" });
  const button = make("button", { type: "submit", class: "jupyter-button omics-button mod-primary" });
  const inputs = new Map();
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(form);

  const row = (field, at) => {
    const [name, attributes, options] = control(field);
    const key = `${id}-${at}`;
    const input = make(name, { ...attributes, id: key, name: field.name, "aria-describedby": `${key}-help ${key}-error` });
    for (const option of options ?? []) input.append(make("option", { value: option }, option || "–"));
    if (field.required) input.setAttribute("aria-required", "true");
    if (field.kind === "flag") input.checked = field.value;
    else input.value = field.value;
    inputs.set(field.name, input);
    const label = make("label", { for: key }, field.label);
    if (field.required) label.append(make("span", { class: "omics-needed", "aria-hidden": "true" }, " *"));
    const unit = field.unit ? [make("span", { class: "omics-unit" }, field.unit)] : [];
    const help = make("span", { class: "omics-help", id: `${key}-help` }, hint(field));
    const error = make("span", { class: "omics-field-error", id: `${key}-error` });
    return make(
      "div",
      { class: `omics-form-field omics-is-${field.kind}` },
      label,
      make("span", { class: "omics-input" }, input, ...unit),
      help,
      error,
    );
  };

  const build = () => {
    inputs.clear();
    form.replaceChildren(...model.get("fields").map(row), make("div", { class: "omics-form-end" }, button));
    form.setAttribute("aria-label", model.get("caption"));
    button.textContent = model.get("action");
    showErrors();
    disable();
  };

  const typed = (input) => (input.type === "checkbox" ? input.checked : input.value);

  const showErrors = () => {
    const errors = model.get("errors");
    let first = null;
    for (const [name, input] of inputs) {
      const error = document.getElementById(`${input.id}-error`) ?? form.querySelector(`[id="${input.id}-error"]`);
      if (error) error.textContent = errors[name] ?? "";
      if (errors[name]) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (errors[name] && !first) first = input;
    }
    first?.focus();
  };

  const disable = () => {
    const off = model.get("disabled");
    button.setAttribute("aria-disabled", off);
    for (const input of inputs.values()) {
      if ("readOnly" in input && input.type !== "checkbox") input.readOnly = off;
      else input.disabled = off;
    }
  };

  const submit = (event) => {
    event.preventDefault();
    if (model.get("disabled")) return;
    model.send({ submit: Object.fromEntries([...inputs].map(([name, input]) => [name, typed(input)])) });
  };

  // JupyterLab keeps Enter from submitting a form, so it is asked for here.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.stopPropagation();
    form.requestSubmit();
  });
  form.addEventListener("submit", submit);
  model.on("change:fields change:action", build);
  model.on("change:errors", showErrors);
  model.on("change:disabled", disable);
  build();
  return () => {
    model.off("change:fields change:action", build);
    model.off("change:errors", showErrors);
    model.off("change:disabled", disable);
  };
}

export default { render };
