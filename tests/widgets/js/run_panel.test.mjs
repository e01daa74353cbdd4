import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { arrow, place, shortened, unseen } = await piece("run_panel");
const chain = [0, 1, 2, 3].map((layer) => ({ path: `s${layer}`, layer, row: 0 }));

test("layers go from left to right where there is room, else from top to bottom", () => {
  const wide = place(chain, 1200);
  assert.equal(wide.across, true);
  assert.ok(wide.width <= 1200);
  const narrow = place(chain, 340);
  assert.equal(narrow.across, false);
  assert.ok(narrow.width <= 340);
  assert.ok(narrow.height > wide.height);
});

test("steps of a layer do not cover each other", () => {
  const { spots } = place([0, 1].map((row) => ({ path: `s${row}`, layer: 0, row })), 1200);
  assert.ok(spots[1].y - spots[0].y > 44);
});

test("a flow without steps takes no room", () => {
  assert.deepEqual(place([], 800).spots, []);
  assert.equal(place([], 800).height, 0);
});

test("an arrow goes from one box to the other", () => {
  assert.equal(arrow({ x: 0, y: 0 }, { x: 168, y: 0 }, true), "M132 22 C150 22 150 22 168 22");
});

test("a log takes only lines that it has not seen", () => {
  assert.deepEqual(unseen(["a", "b", "c"], 0, 1), ["b", "c"]);
  assert.deepEqual(unseen(["x", "y"], 400, 401), ["y"]);
  assert.deepEqual(unseen(["x", "y"], 400, 7), ["x", "y"]);
});

test("long names are cut with a mark", () => {
  assert.equal(shortened("short"), "short");
  assert.equal(shortened("a_very_long_name_of_a_step").length, 17);
});
