import assert from "node:assert/strict";
import test from "node:test";

import { compile } from "as-wappa/testing";

const guest = await compile();

test("greets, and leaves out those without a name", () => {
  const host = guest.start({ greeting: "welcome" });
  const [[greeted], nobody] = host.process([{ content: "ann" }, { content: "" }]);
  assert.equal(greeted.text, "welcome, ann!");
  assert.deepEqual(greeted.metadata, { greeted: true });
  assert.deepEqual(nobody, []);
  assert.equal(host.counter("greeted"), 1);
});

test("what is no text fails", () => {
  const [[failed]] = guest.start().process([{ content: Uint8Array.of(0xff) }]);
  assert.equal(failed.error, "the content is not UTF-8");
});
