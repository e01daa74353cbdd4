import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

globalThis.document = { body: {} };
const { lost } = await piece("focus");
const shown = { getClientRects: () => [{}] };
const hidden = { getClientRects: () => [] };

test("a focus is lost with its control, not when the person has gone elsewhere", () => {
  assert.equal(lost(null), true);
  assert.equal(lost(document.body), true);
  assert.equal(lost(hidden), true);
  assert.equal(lost({ ...shown, disabled: true }), true);
  assert.equal(lost(shown), false);
});
