import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { next } = await piece("chips");

test("the focus goes to the chip that takes the place of the one that goes", () => {
  assert.equal(next(0, 3), 0);
  assert.equal(next(2, 3), 1);
  assert.equal(next(0, 1), -1);
});
