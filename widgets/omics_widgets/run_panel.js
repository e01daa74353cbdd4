// A run: state, progress, steps as a graph and as a table, its log, and buttons that ask the kernel to steer it.
// Whatever comes from the run is set as text, never as HTML; only the card of an error is HTML, escaped by the kernel.

const BOX = { width: 132, height: 44, along: 36, aside: 14 };
const ACTIONS = { cancel: "Cancel", pause: "Pause", resume: "Resume", rerun: "Run again" };
const SAID = {
  done: "The run is done.",
  failed: "The run has failed; “Resume” goes on with the step that failed.",
  cancelled: "The run was cancelled.",
  cancelling: "The run is being cancelled …",
  pausing: "The steps at work finish, then the run pauses …",
  paused: "The run is paused.",
  interrupted: "The process of the run is gone; “Resume” goes on where it was.",
};
const SVG = "http://www.w3.org/2000/svg";

/** Where each step is drawn: layers from left to right where they fit into `width`, else from top to bottom. */
export function place(nodes, width) {
  const layers = 1 + Math.max(-1, ...nodes.map((node) => node.layer));
  const rows = 1 + Math.max(-1, ...nodes.map((node) => node.row));
  const across = layers * (BOX.width + BOX.along) - BOX.along <= width;
  const spots = nodes.map(({ layer, row }) =>
    across
      ? { x: layer * (BOX.width + BOX.along), y: row * (BOX.height + BOX.aside) }
      : { x: row * (BOX.width + BOX.aside), y: layer * (BOX.height + BOX.along / 2) },
  );
  const far = (side, size) => Math.max(0, ...spots.map((spot) => spot[side] + size));
  return { across, spots, width: far("x", BOX.width), height: far("y", BOX.height), rows };
}

/** The way of an arrow from one box to another. */
export function arrow(from, to, across) {
  const [x1, y1, x2, y2] = across
    ? [from.x + BOX.width, from.y + BOX.height / 2, to.x, to.y + BOX.height / 2]
    : [from.x + BOX.width / 2, from.y + BOX.height, to.x + BOX.width / 2, to.y];
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return across
    ? `M${x1} ${y1} C${mx} ${y1} ${mx} ${y2} ${x2} ${y2}`
    : `M${x1} ${y1} C${x1} ${my} ${x2} ${my} ${x2} ${y2}`;
}

/** Lines of a log that are new for one who has seen all before number `seen`. */
export function unseen(lines, first, seen) {
  return lines.slice(Math.max(0, seen - first));
}

export function shortened(text, most = 17) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function draw(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing({ nodes, edges }, states, width) {
  const { across, spots, width: w, height: h } = place(nodes, width);
  const told = nodes.map((node) => `${node.path} ${states.get(node.path) ?? "waiting"}`).join(", ");
  const svg = draw("svg", { viewBox: `-2 -2 ${w + 4} ${h + 4}`, width: w + 4, height: h + 4, role: "img" });
  svg.setAttribute("aria-label", `Steps of the run: ${told}`);
  for (const [from, to] of edges) svg.append(draw("path", { d: arrow(spots[from], spots[to], across) }));
  nodes.forEach((node, at) => {
    const state = states.get(node.path) ?? "waiting";
    const { x, y } = spots[at];
    const box = draw("g", { class: `omics-node omics-is-${state}`, transform: `translate(${x} ${y})` });
    box.append(
      draw("title", {}, `${node.path}: ${state}`),
      draw("rect", { width: BOX.width, height: BOX.height, rx: 8 }),
      draw("text", { x: 10, y: 19 }, shortened(node.path)),
      draw("text", { x: 10, y: 35, class: "omics-node-state" }, state),
    );
    svg.append(box);
  });
  return svg;
}

function table(steps) {
  const body = make("tbody");
  for (const { path, state, time, remark } of steps) {
    body.append(
      make(
        "tr",
        {},
        make("th", { scope: "row" }, path),
        make("td", {}, make("span", { class: `omics-state omics-is-${state}` }, state)),
        make("td", { class: "omics-number-cell" }, time),
        make("td", {}, remark),
      ),
    );
  }
  const heads = ["Step", "State", "Time", "Remark"].map((text) => make("th", { scope: "col" }, text));
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
}

function remember(id) {
  // Only where the page is the dashboard: the address of a notebook in JupyterLab is Lab's own.
  if (!id || !document.querySelector("#rendered_cells")) return;
  const address = new URL(window.location);
  address.searchParams.delete("token");
  address.searchParams.set("run", id);
  window.history.replaceState(null, "", address);
}

function render({ model, el }) {
  const badge = make("span", { class: "omics-state" });
  const name = make("strong");
  const bar = make("progress", { max: 100, value: 0, "aria-label": "Progress of the run" });
  const percent = make("span", { class: "omics-percent" });
  const time = make("span", { class: "omics-dim" });
  // The seconds are for the eye: only the state and the step are read out.
  const status = make("span", { role: "status", class: "omics-doing" });
  const buttons = make("div", { class: "omics-run-buttons" });
  const trouble = make("div");
  const failure = make("p", { class: "omics-run-error" });
  const graph = make("div", { class: "omics-graph" });
  const steps = make("div", { class: "omics-steps", role: "region", "aria-label": "Steps of the run", tabindex: 0 });
  const log = make("pre", { role: "log", "aria-label": "Log of the run", tabindex: 0 });
  const keep = make("button", { type: "button", class: "omics-link" }, "Save the log");
  const from = make("select", { class: "omics-from", "aria-label": "Run again from this step" });
  const panel = make(
    "section",
    { class: "omics-page omics-run", "aria-label": "Run" },
    make("div", { class: "omics-run-head" }, name, badge, time),
    make("div", { class: "omics-run-bar" }, bar, percent),
    status,
    failure,
    buttons,
    trouble,
  );
  const details = [
    graph,
    make("details", {}, make("summary", {}, "Steps as a table"), steps),
    make("details", { open: "" }, make("summary", {}, "Log"), log, keep),
  ];
  if (model.get("brief")) panel.append(make("details", {}, make("summary", {}, "Steps and log"), ...details, from));
  else panel.append(...details);
  // JupyterLab would take the keys for its own shortcuts, Enter among them.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(panel);

  let seen = 0;
  let drawn = "";
  const states = () => new Map((model.get("shown").steps ?? []).map((step) => [step.path, step.state]));

  const showGraph = () => {
    const shape = model.get("graph");
    graph.hidden = !shape.nodes?.length;
    if (graph.hidden) return;
    const width = graph.clientWidth || 900;
    const key = JSON.stringify([[...states()], shape, place(shape.nodes, width).across]);
    if (key === drawn) return;
    drawn = key;
    graph.replaceChildren(drawing(shape, states(), width));
  };

  const showButtons = (can) => {
    const key = can.join();
    if (buttons.dataset.can === key) return;
    const had = buttons.contains(document.activeElement);
    buttons.dataset.can = key;
    buttons.replaceChildren(
      ...can.map((action) => {
        const press = make("button", { type: "button", class: "jupyter-button omics-button" }, ACTIONS[action]);
        press.addEventListener("click", () => model.send({ do: action, from: from.value }));
        return press;
      }),
    );
    from.hidden = !can.includes("rerun");
    if (!from.hidden && !model.get("brief")) buttons.append(from);
    // The button that was pressed is gone; whoever uses a keyboard stays where the next one is.
    if (had) (buttons.querySelector("button") ?? log).focus();
  };

  const showLog = () => {
    const first = model.get("first_line");
    const lines = model.get("lines");
    if (first + lines.length < seen) {
      seen = first;
      log.textContent = "";
    }
    const added = unseen(lines, first, seen);
    if (!added.length) return;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    log.append(added.join("\n") + "\n");
    seen = first + lines.length;
    if (atEnd) log.scrollTop = log.scrollHeight;
  };

  const show = () => {
    const shown = model.get("shown");
    const state = model.get("state");
    panel.hidden = !state && !model.get("trouble");
    panel.dataset.state = state;
    name.textContent = shown.flow ?? "";
    badge.textContent = state;
    badge.className = `omics-state omics-is-${state}`;
    bar.value = shown.progress ?? 0;
    percent.textContent = shown.progress === undefined ? "" : `${Math.floor(shown.progress)} %`;
    time.textContent = shown.time ?? "";
    const said = (state === "cancelling" ? "" : shown.doing || shown.summary) || SAID[state] || "";
    if (status.textContent !== said) status.textContent = said;
    failure.textContent = shown.error ?? "";
    failure.hidden = !shown.error;
    if (trouble.innerHTML !== model.get("trouble")) trouble.innerHTML = model.get("trouble");
    showButtons(shown.can ?? []);
    steps.replaceChildren(table(shown.steps ?? []));
    showGraph();
  };

  const showSteps = () => {
    const nodes = model.get("graph").nodes ?? [];
    from.replaceChildren(
      make("option", { value: "" }, "what has changed"),
      ...nodes.map((node) => make("option", { value: node.path }, `from ${node.path}`)),
    );
    drawn = "";
    showGraph();
  };

  const save = () => {
    const address = URL.createObjectURL(new Blob([log.textContent], { type: "text/plain" }));
    make("a", { href: address, download: `run-${model.get("run_id")}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  const address = () => model.get("remembered") && remember(model.get("run_id"));
  const watch = new ResizeObserver(showGraph);
  watch.observe(graph);
  keep.addEventListener("click", save);
  const listeners = [
    ["change:shown change:state change:trouble", show],
    ["change:graph", showSteps],
    ["change:lines change:first_line", showLog],
    ["change:run_id", address],
  ];
  for (const [events, listener] of listeners) model.on(events, listener);
  showSteps();
  show();
  showLog();
  address();
  return () => {
    watch.disconnect();
    for (const [events, listener] of listeners) model.off(events, listener);
  };
}

export default { render };
