// What a guest can call, and what becomes of its failures.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { compile } from "as-wappa/testing";

const SOURCE = "tests/guests/all.ts";
const guest = await compile({ entry: SOURCE });
const lines = readFileSync(new URL("guests/all.ts", import.meta.url), "utf8").split("\n");

/** Where a text stands in the guest, as a reason tells it. */
const place = (text) => `${SOURCE}:${1 + lines.findIndex((it) => it.includes(text))}`;

const failed = (content, reason) => [
  { content: new TextEncoder().encode(content), text: content, metadata: {}, error: reason },
];

test("an exception fails its message with its text and its line, and no other", () => {
  const host = guest.start();
  const contents = ["good", "throw", "deep", "assert", "null", "nothing", "refuse", "fail", "good"];
  const out = host.process(contents.map((content) => ({ content })));
  assert.deepEqual(out[1], failed("throw", `thrown: é, at ${place('RangeError("thrown')}`));
  assert.deepEqual(out[2], failed("deep", `from below, at ${place('"from below"')}`));
  assert.deepEqual(out[3], failed("assert", `not good, at ${place("not good")}`));
  assert.deepEqual(
    out[4],
    failed("null", `Unexpected 'null' (not assigned or failed cast), at ${place("maybe(text)!")}`),
  );
  assert.deepEqual(out[5], failed("nothing", `abort, at ${place("new Error();")}`));
  assert.deepEqual(out[6], failed("refuse", "no line for this"));
  assert.deepEqual(out[7], failed("fail", "failed, and went on"));
  for (const it of [out[0], out[8]]) assert.deepEqual(it[0].metadata, { changed: "yes" });
  const [[index]] = host.process([{ content: "index" }]);
  assert.match(index.error, /^Index out of range, at ~lib\/typedarray\.ts:[0-9]+$/);
});

test("what an exception leaves behind is collected", () => {
  const host = guest.start();
  const contents = Array.from({ length: 3000 }, (_, i) => ({ content: ["deep", "throw", "hello"][i % 3] }));
  for (let i = 0; i < 20; i++) {
    const out = host.process(contents);
    assert.equal(out[2][0].text, "hello 2/3000");
    assert.match(out[0][0].error, /^from below, /);
  }
});

test("a trap costs the instance, and no other message", () => {
  const host = guest.start({ greeting: "hi" });
  const [[first], [trapped], [last]] = host.process(["hello", "trap", "hello"].map((content) => ({ content })));
  assert.equal(first.text, "hi 0/3");
  assert.match(trapped.error, /^trap: /);
  assert.equal(last.text, "hi 2/3");
});

test("one in, none or many out", () => {
  const [none, many] = guest.start().process([{ content: "filter" }, { content: "emit", error: "earlier" }]);
  assert.deepEqual(none, []);
  assert.deepEqual(
    many.map(({ text, metadata, error }) => ({ text, metadata, error })),
    [
      { text: "first", metadata: { changed: "yes" }, error: "earlier" },
      { text: "second", metadata: {}, error: "earlier" },
    ],
  );
});

test("what is no text fails", () => {
  const bad = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0x61, 0xf5]];
  const out = guest.start().process(bad.map((it) => ({ content: Uint8Array.from(it) })));
  for (const [it] of out) assert.equal(it.error, "the content is not UTF-8");
  const good = ["ascii, and longer than a word", "é€🦀 and more", "\u{10ffff}", ""];
  for (const [it] of guest.start().process(good.map((content) => ({ content })))) assert.equal(it.error, undefined);
});

test("configure and close", () => {
  assert.throws(() => guest.start({ refuse: 1 }), /^Error: I do not want to$/);
  assert.throws(() => guest.start({ throw: 1 }), new RegExp(`^Error: I cannot, at ${place('"I cannot"')}$`));
  const host = guest.start();
  host.close();
  assert.deepEqual(host.logs, [{ level: "info", text: "closed" }]);
});

test("metadata with their types", () => {
  const long = "x".repeat(5000);
  const metadata = { n: 3, k: "vé🦀", empty: "", raw: Uint8Array.of(0xff, 0xfe), long };
  const host = guest.start({}, { function: "metadata" });
  const [[out]] = host.process([{ content: Uint8Array.of(0xff), metadata, error: "earlier" }]);
  assert.equal(out.error, undefined);
  assert.deepEqual(out.metadata, {
    n: 3,
    k: "vé🦀",
    raw: Uint8Array.of(0xff, 0xfe),
    long,
    text: "tö",
    bytes: Uint8Array.of(0xff),
    integer: Number(-(2n ** 63n)),
    float: 1.5,
    bool: true,
    json: { a: [1] },
    written: "xy",
    "\ufffd": "half",
    error: "earlier",
  });
});

test("log, counters, time and random numbers", () => {
  const host = guest.start({}, { function: "surroundings" });
  host.time = 1_500_000_000n;
  const [[out], [bad]] = host.process([{}, { content: "x" }]);
  assert.deepEqual(out, { content: new Uint8Array(), text: "", metadata: { now: 1.5e9, date: 1500 } });
  assert.match(bad.error, /^a counter's name has ASCII letters, digits and _, 1 to 64 of them, at /);
  assert.equal(host.counter("seen"), 6);
  assert.deepEqual(
    host.logs.slice(0, 6).map(({ level, text }) => `${level} ${text}`),
    ["trace trace", "debug debug", "warn warn", "info console", "error console's error", "trace traced 1.5, 2.0"],
  );
});

test("bytes that grow", () => {
  const [[short], [long]] = guest
    .start({}, { function: "bytes" })
    .process([{ content: "ab" }, { content: "a".repeat(100_000) }]);
  assert.equal(short.text, "xbabéab");
  assert.equal(long.text, `x${"a".repeat(199_999)}é${"a".repeat(100_000)}`);
});

test("a file that is no guest", async () => {
  await assert.rejects(
    compile({ entry: "tests/guests/none.ts" }),
    /none\.ts exports no `function process\(message: Message\): void`/,
  );
});
