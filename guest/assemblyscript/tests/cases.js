// Runs a guest over the data that all languages share, guest/examples/cases.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const CASES = JSON.parse(readFileSync(new URL("../../examples/cases.json", import.meta.url), "utf8"));

/** A test for each case of an example. */
export function testExample(name, guest) {
  for (const example of CASES[name]) {
    test(`${name}: ${example.name}`, () => {
      const messages = example.in.map(input);
      const out = guest.start(example.config).process(messages);
      assert.equal(out.length, example.out.length);
      out.forEach((got, index) => {
        assert.equal(got.length, example.out[index].length, `message ${index}`);
        got.forEach((it, at) => check(it, example.out[index][at], messages[index]));
      });
    });
  }
}

function input({ content, metadata = {}, error }) {
  const values = Object.entries(metadata).map(([key, value]) => [key, valueOf(value)]);
  return { content: bytesOf(content), metadata: Object.fromEntries(values), error };
}

function check(got, want, message) {
  if (want.failed !== undefined) {
    want = { content: [{ hex: message.content.toString("hex") }], error: want.failed };
    assert.deepEqual(got.metadata, message.metadata);
  } else {
    const metadata = Object.entries(want.metadata ?? {}).map(([key, value]) => [key, valueOf(value)]);
    assert.deepEqual(got.metadata, Object.fromEntries(metadata));
  }
  assert.equal(got.error, want.error);
  if (want.content.json !== undefined) assert.deepEqual(JSON.parse(got.text), want.content.json);
  else assert.ok(bytesOf(want.content).equals(got.content), `the content is ${got.text.slice(0, 200)}`);
}

/** A content: text, or a list of pieces. */
function bytesOf(content) {
  const pieces = Array.isArray(content) ? content : [content];
  return Buffer.concat(
    pieces.map((it) => {
      if (typeof it === "string") return Buffer.from(it);
      if (it.hex !== undefined) return Buffer.from(it.hex, "hex");
      return Buffer.from(it.repeat.repeat(it.times));
    }),
  );
}

function valueOf(value) {
  if (typeof value === "string") return value;
  return value.hex === undefined ? value.json : new Uint8Array(Buffer.from(value.hex, "hex"));
}
