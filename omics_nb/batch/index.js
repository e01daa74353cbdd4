"use strict";
(() => {
  const body = document.querySelector("#rows tbody");
  const heads = [...document.querySelectorAll("#rows thead th")];
  const find = document.getElementById("find");
  const only = document.getElementById("only");
  const shown = document.getElementById("shown");
  const rows = [...body.rows];
  const words = rows.map((row) => row.textContent.toLowerCase());
  const key = "batch " + location.pathname;

  const value = (row, at) => {
    const cell = row.cells[at];
    const told = cell.dataset.value ?? cell.textContent.trim();
    return told === "" ? null : Number.isNaN(Number(told)) ? told.toLowerCase() : Number(told);
  };
  const compare = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null) || 0;
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === "number" ? -1 : 1;
  };
  const sort = (at, falling) => {
    heads.forEach((head, i) => {
      if (i === at) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const known = rows.map((row) => [value(row, at), row]);
    known.sort(([one], [other]) => (one === null || other === null || !falling ? compare(one, other) : compare(other, one)));
    body.append(...known.map(([, row]) => row));
  };
  const filter = () => {
    const text = find.value.trim().toLowerCase();
    let n = 0;
    rows.forEach((row, i) => {
      const keep = words[i].includes(text) && (!only.value || row.dataset.state === only.value);
      row.hidden = !keep;
      n += keep;
    });
    shown.textContent = n === rows.length ? `${n} rows` : `${n} of ${rows.length} rows`;
  };
  const save = () => {
    const at = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    const falling = at >= 0 && heads[at].getAttribute("aria-sort") === "descending";
    try {
      sessionStorage.setItem(key, JSON.stringify({ at, falling, find: find.value, only: only.value, y: scrollY }));
    } catch { /* a page from a file may have no storage */ }
  };
  heads.forEach((head, at) => head.querySelector("button").addEventListener("click", () => {
    sort(at, head.getAttribute("aria-sort") === "ascending");
    save();
  }));
  find.addEventListener("input", () => { filter(); save(); });
  only.addEventListener("change", () => { filter(); save(); });

  let before = null;
  try { before = JSON.parse(sessionStorage.getItem(key)); } catch { /* as above */ }
  if (before) {
    find.value = before.find;
    if ([...only.options].some((option) => option.value === before.only)) only.value = before.only;
    if (before.at >= 0 && before.at < heads.length) sort(before.at, before.falling);
  }
  filter();
  if (before) scrollTo(0, before.y);
  if (document.body.dataset.running) {
    setTimeout(function again() {
      if (document.activeElement === find) setTimeout(again, 3000);
      else { save(); location.reload(); }
    }, 3000);
  }
})();
