import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { lists } = await piece("samples");
const samples = ["GSM1", "GSM2", "GSM3"].map((key) => ({ key }));

test("samples keep their order in their lists, and those of no group are left out", () => {
  const found = lists(samples, { GSM3: "tested", GSM1: "tested", GSM2: "nonsense" });
  assert.deepEqual(found.tested.map((sample) => sample.key), ["GSM1", "GSM3"]);
  assert.deepEqual(found.reference, []);
  assert.deepEqual(found.out.map((sample) => sample.key), ["GSM2"]);
});
