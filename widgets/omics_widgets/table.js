// A table of any length: only the rows in sight are elements. Filter, facets and order are of the page alone; the kernel
// gives the rows once and hears which one is opened. Cells are set as text.

const BEYOND = 8; // rows kept above and below what is in sight
const ROW = { wide: 52, narrow: 96 };
const NARROW = 640;

/** What a row is searched by. */
export function haystack(row) {
  return row.join("\n").toLowerCase();
}

/** Numbers of the rows that hold every word of `text` and have the chosen value in each facet ("" is any). */
export function matching(rows, stacks, text, facets = {}) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = Object.entries(facets).filter(([, value]) => value !== "");
  const found = [];
  for (let at = 0; at < rows.length; at++) {
    if (!words.every((word) => stacks[at].includes(word))) continue;
    if (chosen.every(([column, value]) => values(rows[at][column]).includes(value))) found.push(at);
  }
  return found;
}

/** A cell may hold several values, parted by "; ". */
export function values(cell) {
  return String(cell ?? "").split("; ").filter(Boolean);
}

/** A number as people read it: "p" as 0.012 or 1.2e-05, "change" with its sign's room and two decimals. */
export function written(value, format) {
  if (typeof value !== "number") return String(value);
  if (format === "change") return value.toFixed(2);
  if (format !== "p") return String(value);
  return value >= 0.001 ? value.toFixed(3) : value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2");
}

/** [value, count] of a column, the most frequent first. */
export function counts(rows, column) {
  const found = new Map();
  for (const row of rows) for (const value of values(row[column])) found.set(value, (found.get(value) ?? 0) + 1);
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** Numbers of rows in order of a column; rows without a value come last either way; equal ones stay as they were. */
export function ordered(numbers, rows, column, descending, numeric) {
  const collator = new Intl.Collator("en", { numeric: true });
  const empty = (value) => value === null || value === undefined || value === "";
  const compare = numeric ? (a, b) => a - b : (a, b) => collator.compare(a, b);
  return [...numbers].sort((one, other) => {
    const [a, b] = [rows[one][column], rows[other][column]];
    if (empty(a) || empty(b)) return empty(a) - empty(b) || one - other;
    return (descending ? compare(b, a) : compare(a, b)) || one - other;
  });
}

/** First and last (not included) row to draw. */
export function inSight(top, height, rowHeight, n) {
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  return [first, Math.min(n, Math.ceil((top + height) / rowHeight) + BEYOND)];
}

/** Where a key leads from row `at` of `n`; undefined if it leads nowhere. */
export function moved(key, at, n, page) {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -n, End: n };
  return key in steps && n > 0 ? Math.min(n - 1, Math.max(0, at + steps[key])) : undefined;
}

/** The keys that are ticked after one is turned over; in the order of ticking. */
export function toggled(ticked, key) {
  return ticked.includes(key) ? ticked.filter((other) => other !== key) : [...ticked, key];
}

/** After all rows in sight of the filter are ticked or, if they were, no longer are; others stay as they are. */
export function toggledAll(ticked, keys) {
  const rest = ticked.filter((key) => !keys.includes(key));
  return keys.every((key) => ticked.includes(key)) ? rest : [...rest, ...keys];
}

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  // Each widget has a module of its own, so a counter would begin anew in each.
  const id = `omics-table-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const filter = make("input", { type: "search", id: `${id}-filter`, autocomplete: "off" });
  const facets = make("div", { class: "omics-facets" });
  const count = make("span", { role: "status", class: "omics-count" });
  const head = make("div", { role: "row", class: "omics-row omics-head" });
  const space = make("div", { class: "omics-space", role: "rowgroup" });
  const body = make("div", { class: "omics-body" }, space);
  const grid = make("div", { role: "grid", class: "omics-grid", tabindex: 0 }, make("div", { role: "rowgroup" }, head), body);
  const tools = make(
    "div",
    { class: "omics-tools" },
    make("div", { class: "omics-tool" }, make("label", { for: filter.id }, "Filter"), filter),
    facets,
    count,
  );
  const root = make("div", { class: "omics-page omics-datatable" }, tools, grid);
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(root);

  let rows = [];
  let stacks = [];
  let numbers = [];
  let active = 0;
  let order = null;
  let height = ROW.wide;
  let frame = 0;
  const columns = () => model.get("columns");
  const shown = () => columns().map((column, at) => [column, at]).filter(([column]) => column.kind !== "detail");
  const detail = () => columns().findIndex((column) => column.kind === "detail");

  const cell = (row, [column, at]) => {
    const made = make("div", { role: "gridcell", class: `omics-cell omics-kind-${column.kind}` });
    const empty = row[at] === null || row[at] === undefined || row[at] === "";
    const text = empty ? "" : `${written(row[at], column.format)}${column.unit ?? ""}`;
    made.append(make("span", { class: "omics-cell-text", title: text }, text));
    if (column.kind === "state") made.firstChild.classList.add("omics-state", `omics-is-${text}`);
    if (column.kind === "main" && detail() >= 0 && row[detail()]) {
      made.append(make("span", { class: "omics-cell-detail", title: row[detail()] }, row[detail()]));
    }
    return made;
  };

  const box = (label, checked) => {
    const made = make("input", { type: "checkbox", tabindex: -1, "aria-label": label });
    made.checked = checked;
    made.disabled = model.get("disabled");
    return made;
  };
  const ticks = (row) => {
    if (!model.get("tickable")) return [];
    const key = String(row[0]);
    const made = box(`Choose ${key}`, model.get("ticked").includes(key));
    return [make("div", { role: "gridcell", class: "omics-cell omics-kind-tick" }, made)];
  };
  const keys = () => numbers.map((number) => String(rows[number][0]));
  const tick = (ticked) => {
    if (model.get("disabled")) return;
    model.set("ticked", ticked);
    model.save_changes();
    retick();
    draw();
  };

  const line = (place) => {
    const row = rows[numbers[place]];
    const made = make("div", { role: "row", class: "omics-row", id: `${id}-${place}`, "aria-rowindex": place + 2 });
    made.style.transform = `translateY(${place * height}px)`;
    made.dataset.place = place;
    made.setAttribute("aria-selected", String(row[0]) === model.get("selected"));
    made.classList.toggle("omics-active", place === active);
    made.append(...ticks(row), ...shown().map((item) => cell(row, item)));
    return made;
  };

  const draw = () => {
    frame = 0;
    const [first, last] = inSight(grid.scrollTop, grid.clientHeight, height, numbers.length);
    space.replaceChildren(...Array.from({ length: last - first }, (_, at) => line(first + at)));
    if (active >= first && active < last) grid.setAttribute("aria-activedescendant", `${id}-${active}`);
    else grid.removeAttribute("aria-activedescendant");
  };
  const soon = () => (frame ||= requestAnimationFrame(draw));

  const measure = () => {
    const narrow = root.clientWidth > 0 && root.clientWidth < NARROW;
    root.classList.toggle("omics-narrow", narrow);
    height = narrow ? ROW.narrow : ROW.wide;
    root.style.setProperty("--omics-row", `${height}px`);
    space.style.height = `${numbers.length * height}px`;
    soon();
  };

  const apply = () => {
    const chosen = Object.fromEntries([...facets.querySelectorAll("select")].map((s) => [s.dataset.column, s.value]));
    numbers = matching(rows, stacks, filter.value, chosen);
    if (order) numbers = ordered(numbers, rows, order.column, order.descending, columns()[order.column].kind === "number");
    const [one, many] = model.get("noun");
    const all = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? one : many}`;
    count.textContent = numbers.length === rows.length ? all : `${numbers.length.toLocaleString("en")} of ${all}`;
    grid.setAttribute("aria-rowcount", numbers.length + 1);
    active = Math.min(active, Math.max(0, numbers.length - 1));
    retick();
    measure();
  };

  const every = make("div", { role: "columnheader", class: "omics-kind-tick" });
  const retick = () => {
    if (!model.get("tickable")) return;
    const on = new Set(model.get("ticked"));
    const n = keys().filter((key) => on.has(key)).length;
    const made = box("Choose all that are listed", n > 0 && n === numbers.length);
    made.tabIndex = 0;
    made.indeterminate = n > 0 && n < numbers.length;
    made.addEventListener("change", () => {
      tick(toggledAll(model.get("ticked"), keys()));
      every.firstChild.focus();
    });
    every.replaceChildren(made);
  };

  const heads = () => {
    const widths = [...(model.get("tickable") ? ["1.5rem"] : []), ...shown().map(([column]) => column.width ?? "1fr")];
    root.style.setProperty("--omics-columns", widths.join(" "));
    root.classList.toggle("omics-tickable", Boolean(model.get("tickable")));
    head.replaceChildren(
      ...(model.get("tickable") ? [every] : []),
      ...shown().map(([column, at]) => {
        const sorted = order?.column === at;
        const mark = sorted ? (order.descending ? " ▼" : " ▲") : "";
        const press = make("button", { type: "button", class: "omics-sort" }, column.label + mark);
        press.addEventListener("click", () => {
          order = sorted && order.descending ? null : { column: at, descending: sorted };
          heads();
          head.querySelectorAll(".omics-sort")[shown().findIndex(([, other]) => other === at)].focus();
          apply();
        });
        const sort = sorted ? (order.descending ? "descending" : "ascending") : "none";
        return make("div", { role: "columnheader", class: `omics-kind-${column.kind}`, "aria-sort": sort }, press);
      }),
    );
  };

  const choices = () => {
    const before = new Map([...facets.querySelectorAll("select")].map((s) => [s.dataset.column, s.value]));
    facets.replaceChildren(
      ...columns().flatMap((column, at) => {
        const found = column.facet ? counts(rows, at) : [];
        if (found.length < 2) return [];
        const select = make("select", { id: `${id}-facet-${at}`, "data-column": at });
        select.append(make("option", { value: "" }, "any"));
        for (const [value, n] of found) select.append(make("option", { value }, `${value} (${n.toLocaleString("en")})`));
        select.value = found.some(([value]) => value === before.get(String(at))) ? before.get(String(at)) : "";
        select.addEventListener("change", apply);
        return [make("div", { class: "omics-tool" }, make("label", { for: select.id }, column.label), select)];
      }),
    );
  };

  const take = () => {
    rows = model.get("rows");
    stacks = rows.map(haystack);
    choices();
    apply();
  };

  const open = (place) => {
    if (place >= numbers.length || model.get("disabled")) return;
    active = place;
    model.set("selected", String(rows[numbers[place]][0]));
    model.save_changes();
    model.send({ open: String(rows[numbers[place]][0]) });
    draw();
  };

  const press = (event) => {
    if (event.target !== grid) return;
    if (event.key === " " && model.get("tickable") && numbers.length) {
      event.preventDefault();
      tick(toggled(model.get("ticked"), keys()[active]));
      return;
    }
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      open(active);
      return;
    }
    const to = moved(event.key, active, numbers.length, Math.max(1, Math.floor(grid.clientHeight / height) - 2));
    if (to === undefined) return;
    event.preventDefault();
    active = to;
    // The heads stay above the rows, so that many pixels fewer are for them.
    const [top, room] = [to * height, grid.clientHeight - head.offsetHeight];
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + height > grid.scrollTop + room) grid.scrollTop = top + height - room;
    draw();
  };

  const click = (event) => {
    const row = event.target.closest("[data-place]");
    if (row && event.target.closest(".omics-kind-tick")) {
      active = Number(row.dataset.place);
      tick(toggled(model.get("ticked"), keys()[active]));
      grid.focus(); // the box is drawn anew; the keyboard goes on from its row
      return;
    }
    if (row && !window.getSelection()?.toString()) open(Number(row.dataset.place));
  };

  const restyle = () => {
    grid.setAttribute("aria-label", model.get("caption"));
    grid.setAttribute("aria-disabled", model.get("disabled"));
    heads();
    take();
  };
  const watch = new ResizeObserver(measure);
  watch.observe(root);
  filter.addEventListener("input", apply);
  grid.addEventListener("scroll", soon);
  body.addEventListener("click", click);
  grid.addEventListener("keydown", press);
  const disable = () => {
    grid.setAttribute("aria-disabled", model.get("disabled"));
    retick();
    soon();
  };
  const ticked = () => {
    retick();
    soon();
  };
  model.on("change:rows", take);
  model.on("change:columns change:caption", restyle);
  model.on("change:selected", soon);
  model.on("change:ticked", ticked);
  model.on("change:disabled", disable);
  restyle();
  return () => {
    watch.disconnect();
    cancelAnimationFrame(frame);
    model.off("change:rows", take);
    model.off("change:columns change:caption", restyle);
    model.off("change:selected", soon);
    model.off("change:ticked", ticked);
    model.off("change:disabled", disable);
  };
}

export default { render };
