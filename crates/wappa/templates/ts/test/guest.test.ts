import assert from "node:assert/strict";
import test from "node:test";

import { start } from "wappa-guest/testing";

import * as guest from "../src/guest.js";

test("greets, and leaves out those without a name", () => {
  const host = start(guest, { greeting: "welcome" });
  const [greeted, nobody] = host.process([{ content: "ann" }, { content: "" }]);
  assert.equal(greeted?.[0]?.text, "welcome, ann!");
  assert.deepEqual(greeted?.[0]?.metadata, { greeted: true });
  assert.deepEqual(nobody, []);
  assert.equal(host.counter("greeted"), 1);
});

test("what is no text fails", () => {
  const [failed] = start(guest).process([{ content: Uint8Array.of(0xff) }]);
  assert.equal(failed?.[0]?.error, "the content is not UTF-8");
});
