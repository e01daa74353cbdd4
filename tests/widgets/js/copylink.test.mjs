import assert from "node:assert/strict";
import test from "node:test";

import { piece } from "./pieces.mjs";

const { address, remembered } = await piece("copylink");
const LINK = "explore.ipynb?question=a+%26+b&ask=true";

test("a link is whole from a dashboard's page, and from Lab leads to the dashboard", () => {
  const page = new URL("http://x/base/voila/render/study.ipynb?study=GSE1");
  assert.equal(address(LINK, page, "/base/"), `http://x/base/voila/render/${LINK}`);
  assert.equal(address(LINK, new URL("http://x/base/lab/tree/a.ipynb"), "/base/"), `http://x/base/voila/render/${LINK}`);
});

test("a page's own address takes what the link fills in, keeps its name and theme, and loses the token", () => {
  const here = "http://x/voila/render/my%20copy.ipynb?token=secret&theme=dark&study=GSE1";
  assert.equal(remembered(LINK, here), "http://x/voila/render/my%20copy.ipynb?question=a+%26+b&ask=true&theme=dark");
});
