// The gallery: guests as people write them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { start } from "../src/testing.js";
import * as deduplicate from "../gallery/deduplicate.js";
import * as mask from "../gallery/mask.js";
import * as readings from "../gallery/readings.js";

test("mask: what the rules find becomes their name", () => {
  const host = start(mask, { "mask.email": "[\\w.]+@[\\w.]+", "mask.card": "\\d{4}( ?\\d{4}){3}", other: "(" });
  const [[masked], [same]] = host.process([
    { content: "ann@b.example paid with 1234 5678 9012 3456, cc: c@d.example" },
    { content: "nothing" },
  ]);
  assert.equal(masked.text, "<email> paid with <card>, cc: <email>");
  assert.equal(same.text, "nothing");
  assert.equal(host.counter("masked_email"), 2);
  assert.equal(host.counter("masked_card"), 1);
});

test("mask: rules that are none keep a stream from starting", () => {
  assert.throws(() => start(mask, {}), /no rule/);
  assert.throws(() => start(mask, { "mask.a": "(" }), /mask\.a: /);
  assert.throws(() => start(mask, { "mask.a b": "x" }), /a name has letters/);
});

/** A frame, with a sum that is right. */
function frame(device, time, values) {
  const bytes = Buffer.alloc(10 + 5 * values.length);
  bytes.writeUInt8(0xa5, 0);
  bytes.writeUInt8(1, 1);
  bytes.writeUInt16BE(device, 2);
  bytes.writeUInt32BE(time, 4);
  bytes.writeUInt8(values.length, 8);
  values.forEach(([channel, value], i) => {
    bytes.writeUInt8(channel, 9 + 5 * i);
    bytes.writeFloatBE(value, 10 + 5 * i);
  });
  const sum = bytes.subarray(0, -1).reduce((sum, byte) => (sum + byte) & 0xff, 0);
  bytes.writeUInt8(sum, bytes.length - 1);
  return bytes;
}

test("readings: frames become documents", () => {
  const one = frame(7, 1790000000, [
    [1, 21.5],
    [2, -3],
  ]);
  const two = frame(40000, 0, []);
  const [out, none] = start(readings).process([{ content: Buffer.concat([one, two]) }, { content: "" }]);
  assert.deepEqual(
    out.map((it) => JSON.parse(it.text)),
    [
      { device: 7, time: 1790000000, readings: { 1: 21.5, 2: -3 } },
      { device: 40000, time: 0, readings: {} },
    ],
  );
  assert.deepEqual(
    out.map((it) => it.metadata),
    [{ device: 7 }, { device: 40000 }],
  );
  assert.deepEqual(none, []);
});

test("readings: what is no frame says where", () => {
  const good = frame(7, 1, [[1, 1]]);
  const changed = (at, byte) => {
    const bytes = Buffer.from(good);
    bytes[at] = byte;
    return bytes;
  };
  const host = start(readings);
  const reason = (content) => host.process([{ content }])[0][0].error;
  assert.equal(reason("x"), "byte 0: a frame begins with 0xa5");
  assert.equal(reason(changed(1, 2)), "byte 0: version 2 is not known");
  assert.equal(reason(changed(3, 8)), "byte 0: the sum is wrong");
  assert.equal(reason(Buffer.concat([good, good.subarray(0, 12)])), "byte 15: the frame is cut off");
  assert.equal(reason(good.subarray(0, 4)), "byte 0: the frame is cut off");
});

test("deduplicate: what was seen within the window is left out", () => {
  const host = start(deduplicate, { window: "2" });
  const out = host.process(["a", "b", "a", "c", "a"].map((content) => ({ content })));
  assert.deepEqual(
    out.map((it) => it.length),
    [1, 1, 0, 1, 1],
  );
});

test("deduplicate: by metadata of any type", () => {
  const host = start(deduplicate, { key: "id" });
  const out = host.process([
    { content: "x", metadata: { id: 1 } },
    { content: "y", metadata: { id: 1 } },
    { content: "z", metadata: { id: 2 } },
    { content: "z" },
  ]);
  assert.deepEqual(
    out.map((it) => it.length),
    [1, 0, 1, 1],
  );
  assert.equal(out[3][0].error, "there is no metadata `id`");
  assert.throws(() => start(deduplicate, { window: "0" }), /whole number/);
});
