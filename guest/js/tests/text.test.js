// QuickJS has no coders of text: what stands in for them is compared with Node's.

import assert from "node:assert/strict";
import test from "node:test";

const theirs = { TextEncoder, TextDecoder };
delete globalThis.TextEncoder;
delete globalThis.TextDecoder;
const { provideTextCoders, textOf } = await import("../src/text.js?bare");
provideTextCoders();
const ours = { TextEncoder: globalThis.TextEncoder, TextDecoder: globalThis.TextDecoder };
Object.assign(globalThis, theirs);

test("what stands in is not the engine's own", () => assert.notEqual(ours.TextEncoder, theirs.TextEncoder));

test("texts, well-formed and not", () => {
  const texts = [
    "",
    "plain",
    "é",
    "🦀 und ñ",
    "\0",
    "\ud83e",
    "a\udd80b",
    "\ud83e\ud83e\udd80",
    "x".repeat(10000) + "é",
  ];
  for (const text of texts) {
    const bytes = new theirs.TextEncoder().encode(text);
    assert.deepEqual(new ours.TextEncoder().encode(text), bytes);
    assert.equal(new ours.TextDecoder().decode(bytes), new theirs.TextDecoder().decode(bytes));
    assert.equal(textOf(bytes), new theirs.TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  }
});

test("bytes that are no text", () => {
  // All that three bytes can begin, and what is near the borders.
  const bytes = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
    0xff,
  ];
  for (const a of bytes)
    for (const b of bytes)
      for (const c of bytes) {
        const all = Uint8Array.of(a, b, c, 0x80, 0x21);
        assert.equal(new ours.TextDecoder().decode(all), new theirs.TextDecoder().decode(all), `${all}`);
        const isText = !new theirs.TextDecoder().decode(all).includes("\ufffd");
        assert.equal(textOf(all) !== undefined, isText, `${all}`);
      }
});

test("marks of the byte order, and options", () => {
  const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
  for (const ignoreBOM of [false, true]) {
    const options = { ignoreBOM };
    assert.equal(
      new ours.TextDecoder("utf-8", options).decode(marked),
      new theirs.TextDecoder("utf-8", options).decode(marked),
    );
  }
  assert.throws(() => new ours.TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.of(0xff)), TypeError);
  assert.throws(() => new ours.TextDecoder("latin1"), RangeError);
  const [mine, node] = [new Uint8Array(4), new Uint8Array(4)];
  assert.deepEqual(new ours.TextEncoder().encodeInto("aé🦀", mine), new theirs.TextEncoder().encodeInto("aé🦀", node));
  assert.deepEqual(mine, node);
});
