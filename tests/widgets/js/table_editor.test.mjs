import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { parse, pasted, squared, written } = await piece("table_editor");
const KNOWN = ["study", "contrast", "#remark"];

test("text becomes rows and comes back, whatever is in a cell", () => {
  const rows = [["study", "contrast"], ['a "b", c', "two\nlines"], ["", "x"]];
  assert.deepEqual(parse(written(rows)), rows);
  assert.deepEqual(parse("study\tcontrast\r\nGSE1\ta, b; c\r\n\r\n"), [["study", "contrast"], ["GSE1", "a, b; c"]]);
});

test("rows are as long as the header, and one is there to type into", () => {
  assert.deepEqual(squared([["a", "b"], ["1"], ["1", "2", "3"]]), [["a", "b"], ["1", ""], ["1", "2"]]);
  assert.deepEqual(squared([["a"]]), [["a"], [""]]);
});

test("cells that are pasted fill from where they are pasted and make rows; a whole table takes the place of all", () => {
  const rows = [["study", "contrast"], ["GSE1", ""]];
  assert.deepEqual(pasted(rows, "x\ny\n", 1, 1, KNOWN), [["study", "contrast"], ["GSE1", "x"], ["", "y"]]);
  assert.deepEqual(pasted(rows, "a\tb\tc", 1, 0, KNOWN), [["study", "contrast"], ["a", "b"]]);
  assert.deepEqual(pasted(rows, "study\t#who\nGSE2\tana", 1, 1, KNOWN), [["study", "#who"], ["GSE2", "ana"]]);
});
