import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { counts, haystack, inSight, matching, moved, ordered, toggled, toggledAll, values, written } = await piece("table");
const rows = [
  ["GSE1", "Tamoxifen in MCF-7", "human", 8],
  ["GSE2", "Liver of mice", "mouse; rat", null],
  ["GSE10", "tamoxifen and liver", "human", 120],
];
const stacks = rows.map(haystack);

test("every word must be somewhere in the row, whatever its case", () => {
  assert.deepEqual(matching(rows, stacks, "TAMOXIFEN liver"), [2]);
  assert.deepEqual(matching(rows, stacks, "  "), [0, 1, 2]);
  assert.deepEqual(matching(rows, stacks, "zebrafish"), []);
});

test("a facet keeps rows that have its value among theirs", () => {
  assert.deepEqual(matching(rows, stacks, "", { 2: "rat" }), [1]);
  assert.deepEqual(matching(rows, stacks, "liver", { 2: "human" }), [2]);
  assert.deepEqual(matching(rows, stacks, "", { 2: "" }), [0, 1, 2]);
});

test("facets count each value of a cell, the most frequent first", () => {
  assert.deepEqual(values("mouse; rat"), ["mouse", "rat"]);
  assert.deepEqual(counts(rows, 2), [["human", 2], ["mouse", 1], ["rat", 1]]);
});

test("numbers sort as numbers, accessions as people read them, and empty cells last either way", () => {
  assert.deepEqual(ordered([0, 1, 2], rows, 3, false, true), [0, 2, 1]);
  assert.deepEqual(ordered([0, 1, 2], rows, 3, true, true), [2, 0, 1]);
  assert.deepEqual(ordered([2, 1, 0], rows, 0, false, false), [0, 1, 2]);
});

test("only rows in sight and a few around them are drawn", () => {
  assert.deepEqual(inSight(0, 400, 50, 10_000), [0, 16]);
  assert.deepEqual(inSight(250_000, 400, 50, 10_000), [4992, 5016]);
  assert.deepEqual(inSight(0, 400, 50, 3), [0, 3]);
});

test("keys move within the table", () => {
  assert.equal(moved("ArrowDown", 0, 3, 10), 1);
  assert.equal(moved("ArrowUp", 0, 3, 10), 0);
  assert.equal(moved("PageDown", 0, 100, 10), 10);
  assert.equal(moved("End", 0, 100, 10), 99);
  assert.equal(moved("a", 0, 3, 10), undefined);
  assert.equal(moved("End", 0, 0, 10), undefined);
});

test("numbers are written as people read them", () => {
  const p = [0.05, 0.0123, 0.001, 0.00001234, 1e-300, 0].map((value) => written(value, "p"));
  assert.deepEqual(p, ["0.050", "0.012", "0.001", "1.2e-05", "1.0e-300", "0.0e+00"]);
  assert.deepEqual([2.6543, -0.5].map((value) => written(value, "change")), ["2.65", "-0.50"]);
  assert.equal(written(12.5, ""), "12.5");
  assert.equal(written("text", "p"), "text");
});

test("a tick is turned over alone, or with all that are listed while others stay", () => {
  assert.deepEqual(toggled(["a", "b"], "a"), ["b"]);
  assert.deepEqual(toggled(["a"], "b"), ["a", "b"]);
  assert.deepEqual(toggledAll(["a", "z"], ["a", "b"]), ["z", "a", "b"]);
  assert.deepEqual(toggledAll(["a", "z", "b"], ["a", "b"]), ["z"]);
});
