// A small table to be typed or pasted, as comma-separated text: a field for each cell, what is wrong beside it. Each
// edit goes to the kernel as a message with the whole text, which answers with the problems.

/** Rows of cells from comma- or tab-separated text; quotes as in RFC 4180. */
export function parse(text) {
  const first = text.split("\n", 1)[0];
  const mark = first.includes("\t") ? "\t" : ",";
  const rows = [[]];
  let cell = "";
  let quoted = false;
  const end = () => { rows.at(-1).push(cell.trim()); cell = ""; };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted && letter === '"' && text[at + 1] === '"') { cell += '"'; at++; }
    else if (letter === '"' && (quoted || cell.trim() === "")) { quoted = !quoted; }
    else if (!quoted && letter === mark) end();
    else if (!quoted && letter === "\n") { end(); rows.push([]); }
    else if (quoted || letter !== "\r") cell += letter;
  }
  end();
  return rows.filter((row) => row.some((value) => value !== ""));
}

/** The text of a table, which `parse` reads as the same. */
export function written(rows) {
  const one = (value) => (/[",\t\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => row.map(one).join(",") + "\n").join("");
}

/** Rows with a header, all as long as it; at least one row to type into. */
export function squared(rows) {
  const [head = [""], ...body] = rows;
  const filled = body.length ? body : [head.map(() => "")];
  return [head, ...filled.map((row) => head.map((_, at) => row[at] ?? ""))];
}

/** The table after a paste at a cell; a paste that begins with known names of columns is a whole table. */
export function pasted(rows, text, row, column, known) {
  const given = parse(text);
  if (!given.length) return rows;
  if (given[0].every((name) => known.includes(name) || name.startsWith("#"))) return squared(given);
  const made = rows.map((cells) => [...cells]);
  given.forEach((cells, down) => {
    const to = (made[row + down] ??= made[0].map(() => ""));
    cells.forEach((value, right) => { if (column + right < to.length) to[column + right] = value; });
  });
  return made;
}

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const id = `omics-editor-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const head = make("tr");
  const body = make("tbody");
  const table = make("table", {}, make("caption", {}, model.get("caption")), make("thead", {}, head), body);
  const more = make("button", { type: "button", class: "omics-button" }, "Add a row");
  const column = make("select", { id: `${id}-column` });
  const names = make("label", { for: column.id }, "Add a column");
  const scroll = make("div", { class: "omics-editor-scroll", role: "region", tabindex: 0, "aria-label": model.get("caption") }, table);
  const root = make("div", { class: "omics-page omics-editor" }, scroll, make("div", { class: "omics-editor-tools" }, more, names, column));
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(root);
  let rows = [];

  const field = (row, at) => body.querySelector(`[data-row="${row}"][data-column="${at}"]`);
  const tell = () => model.send({ table: written(rows) });

  const problems = () => {
    for (const old of root.querySelectorAll(".omics-field-error")) old.remove();
    for (const input of body.querySelectorAll("input")) { input.removeAttribute("aria-invalid"); input.removeAttribute("aria-describedby"); }
    model.get("problems").forEach(({ row, column: name, message }, number) => {
      const at = Math.max(0, rows[0].indexOf(name));
      const place = row ? body.rows[row - 1]?.cells[at] : rows[0].includes(name) ? head.cells[at] : null;
      if (!place) return; // said below the table by the kernel
      const said = make("div", { class: "omics-field-error", id: `${id}-problem-${number}` }, message);
      place.append(said);
      const input = place.querySelector("input");
      input?.setAttribute("aria-invalid", "true");
      input?.setAttribute("aria-describedby", said.id);
    });
  };

  const cell = (row, at) => {
    const input = make("input", { "aria-label": `${rows[0][at]}, row ${row}`, "data-row": row, "data-column": at, autocomplete: "off" });
    input.value = rows[row][at];
    input.addEventListener("change", () => { rows[row][at] = input.value.trim(); tell(); });
    input.addEventListener("paste", (event) => {
      const text = event.clipboardData.getData("text/plain");
      if (!/[\t\n]/.test(text.trim())) return; // one value, as in any field
      event.preventDefault();
      rows = pasted(rows, text, row, at, model.get("known"));
      draw();
      tell();
    });
    input.addEventListener("keydown", (event) => {
      const to = { ArrowDown: 1, ArrowUp: -1, Enter: 1 }[event.key];
      if (!to) return;
      event.preventDefault();
      if (event.key === "Enter" && row === rows.length - 1) add();
      field(row + to, at)?.focus();
    });
    return make("td", {}, input);
  };

  const gone = (press, change) => press.addEventListener("click", () => {
    const [row, at] = [Number(press.dataset.row ?? 1), 0];
    change();
    rows = squared(rows);
    draw();
    tell();
    (field(Math.min(row, rows.length - 1), at) ?? more).focus(); // the button that was pressed is gone
  });

  const draw = () => {
    head.replaceChildren(
      ...rows[0].map((name, at) => {
        const remove = make("button", { type: "button", class: "omics-editor-remove", "aria-label": `Remove column ${name}` }, "×");
        gone(remove, () => { rows = rows.map((cells) => cells.filter((_, other) => other !== at)); });
        return make("th", { scope: "col" }, name, ...(rows[0].length > 1 ? [remove] : []));
      }),
      make("td"),
    );
    body.replaceChildren(
      ...rows.slice(1).map((cells, before) => {
        const row = before + 1;
        const remove = make("button", { type: "button", class: "omics-editor-remove", "aria-label": `Remove row ${row}`, "data-row": row }, "×");
        gone(remove, () => rows.splice(row, 1));
        return make("tr", {}, ...cells.map((_, at) => cell(row, at)), make("td", {}, remove));
      }),
    );
    const others = model.get("known").filter((name) => !rows[0].includes(name));
    column.replaceChildren(make("option", { value: "" }, "choose …"), ...others.map((name) => make("option", {}, name)));
    problems();
  };

  const add = () => {
    rows.push(rows[0].map(() => ""));
    draw();
    field(rows.length - 1, 0).focus();
  };
  const widen = () => {
    if (!column.value) return;
    rows = rows.map((cells, at) => [...cells, at ? "" : column.value]);
    draw();
    tell();
    field(1, rows[0].length - 1).focus();
  };
  const take = () => {
    if (written(rows) === model.get("value")) return; // what was typed here comes back
    rows = squared(parse(model.get("value")));
    draw();
  };
  more.addEventListener("click", add);
  column.addEventListener("change", widen);
  model.on("change:value", take);
  model.on("change:problems", problems);
  model.on("change:known", draw);
  rows = squared(parse(model.get("value")));
  draw();
  return () => {
    model.off("change:value", take);
    model.off("change:problems", problems);
    model.off("change:known", draw);
  };
}

export default { render };
