import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { control, hint } = await piece("forms");

test("each kind of field has its control", () => {
  assert.equal(control({ kind: "choice", options: ["a"] })[0], "select");
  assert.equal(control({ kind: "lines" })[0], "textarea");
  assert.equal(control({ kind: "flag" })[1].type, "checkbox");
  assert.deepEqual(control({ kind: "number" })[1], { type: "text", autocomplete: "off", inputmode: "decimal" });
});

test("help says what may be left empty, once", () => {
  assert.equal(hint({ help: "how many", limits: "at least 1", required: true, kind: "integer" }), "how many; at least 1");
  assert.equal(hint({ help: "", limits: "", required: false, kind: "text" }), "may be empty");
  assert.equal(hint({ help: "empty: all", limits: "", required: false, kind: "text" }), "empty: all");
});
