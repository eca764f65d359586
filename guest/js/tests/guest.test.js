import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Failure, count, log } from "wappa-guest";
import { start } from "wappa-guest/testing";

/** What comes of one message. */
function one(process, message = {}, config = {}) {
  return start({ process }, config).process([message])[0];
}

test("an exception fails its message with its text and its line, and no other", () => {
  const process = (message) => {
    if (message.text === "bad") message.metadata.nothing.at = 1;
    message.metadata.set("seen", true);
  };
  const out = start({ process }).process([{ content: "good" }, { content: "bad" }, { content: "good" }]);
  assert.deepEqual(
    out.map(([it]) => it.metadata),
    [{ seen: true }, {}, { seen: true }],
  );
  assert.match(out[1][0].error, /^TypeError: Cannot set properties of undefined .*, at tests\/guest\.test\.js:15$/);
  assert.equal(out[1][0].text, "bad");
});

test("reasons", () => {
  const reason = (thrown) =>
    one(() => {
      throw thrown;
    })[0].error;
  assert.equal(reason(new Failure("too late")), "too late");
  assert.equal(reason("plain text"), "plain text");
  assert.equal(reason({ code: 7 }), 'thrown: {"code":7}');
  assert.equal(reason(undefined), "thrown: undefined");
  assert.equal(reason({ toJSON: () => reason.nothing.at }), "an exception that cannot be told");
  assert.equal(one((message) => message.fail("no"))[0].error, "no");
  assert.equal(one((message) => (message.filter(), message.fail("no")))[0].error, "no");
});

test("what failed is as it came in", () => {
  const [it] = one(
    (message) => {
      message.content = "other";
      message.metadata.set("k", "v").delete("old");
      message.clearError();
      message.emit();
      throw new Failure("no");
    },
    { content: "in", metadata: { old: 1 }, error: "earlier" },
  );
  assert.deepEqual(
    { ...it, content: undefined },
    { content: undefined, text: "in", metadata: { old: 1 }, error: "no" },
  );
});

test("contents", () => {
  assert.equal(one((message) => void (message.content = "é"))[0].text, "é");
  assert.equal(one((message) => void (message.content = new Uint16Array([0x4141]).buffer))[0].text, "AA");
  assert.equal(
    one((message) => message.setJson({ a: message.json().b }), { content: '{"b":[1]}' })[0].text,
    '{"a":[1]}',
  );
  assert.equal(one((message) => message.text, { content: Uint8Array.of(0xff) })[0].error, "the content is not UTF-8");
  assert.match(
    one((message) => void (message.content = 7))[0].error,
    /^TypeError: a content is bytes or a string, not number, at/,
  );
  assert.match(one((message) => message.setJson(undefined))[0].error, /^TypeError: undefined is no JSON, at/);
  // To write into what was read changes nothing yet.
  const process = (message) => void message.content.fill(0x78);
  assert.deepEqual(
    start({ process })
      .process([{ content: "ab" }, { content: "cd" }])
      .map(([it]) => it.text),
    ["ab", "cd"],
  );
});

test("metadata", () => {
  const values = { text: "t", number: 1.5, list: [1, { a: null }], no: null, bytes: Uint8Array.of(0xff) };
  const [it] = one(
    (message) => {
      const { metadata } = message;
      assert.deepEqual(metadata.keys(), ["bytes", "list", "no", "number", "text"]);
      assert.deepEqual(Object.fromEntries(metadata), values);
      assert.equal(metadata.get("missing"), undefined);
      assert.ok(metadata.has("no") && !metadata.has("missing"));
      assert.ok(metadata.delete("no") && !metadata.delete("no"));
      metadata.set("new", metadata.entries().length);
    },
    { metadata: values },
  );
  const { no, ...others } = values;
  assert.equal(no, null);
  assert.deepEqual(it.metadata, { ...others, new: 4 });
  assert.match(one((message) => message.metadata.set("k", undefined))[0].error, /undefined is no value for metadata/);
  assert.match(one((message) => message.metadata.set(1, "v"))[0].error, /a key of metadata is a string, not number/);
});

test("half a surrogate pair becomes another letter", () => {
  const half = "a\ud800";
  const [set] = one((message) => {
    message.metadata.set(half, half).set("read", message.metadata.get(half));
  });
  assert.deepEqual(set.metadata, { "a\ufffd": "a\ufffd", read: "a\ufffd" });
  assert.match(one(() => assert.fail(half))[0].error, /^AssertionError: a\ufffd, at /);
  assert.equal(one((message) => message.fail(half))[0].error, "a\ufffd");
  const host = start({ process: () => log.info(half) });
  host.process([{}]);
  assert.deepEqual(host.logs, [{ level: "info", text: "a\ufffd" }]);
});

test("emitting goes on with a copy", () => {
  const out = one(
    (message) => {
      const bytes = Uint8Array.of(0x61);
      message.content = bytes;
      message.metadata.set("n", 1);
      message.emit();
      bytes[0] = 0x78;
      message.content[0] = 0x62;
      message.metadata.set("n", 2).delete("k");
      assert.deepEqual(message.metadata.keys(), ["n"]);
      message.emit();
      message.content = "c";
    },
    { metadata: { k: "v" }, error: "earlier" },
  );
  assert.deepEqual(
    out.map(({ text, metadata, error }) => [text, metadata, error]),
    [
      ["a", { k: "v", n: 1 }, "earlier"],
      ["b", { n: 2 }, "earlier"],
      ["c", { n: 2 }, "earlier"],
    ],
  );
});

test("a message that was kept is over", () => {
  let kept;
  const host = start({ process: (message) => void (kept = message) });
  host.process([{ content: "a" }]);
  assert.throws(() => kept.content, /the message is over/);
  assert.throws(() => (kept.content = "b"), /the message is over/);
  assert.throws(() => kept.metadata.get("k"), /the message is over/);
});

test("log, counters, config, positions", () => {
  const guest = {
    configure(config) {
      log.info(`hello, ${config.get("name")}`);
    },
    process(message) {
      count("all");
      count("bytes", message.content.length);
      message.text = `${message.index}/${message.batchLength}`;
    },
  };
  const host = start(guest, { name: "ann" });
  assert.deepEqual(host.logs, [{ level: "info", text: "hello, ann" }]);
  const out = host.process([{ content: "abc" }, { content: "d" }]);
  assert.deepEqual(
    out.map(([it]) => it.text),
    ["0/2", "1/2"],
  );
  assert.equal(host.counter("all"), 2);
  assert.equal(host.counter("bytes"), 4);
  assert.match(one(() => count("not a name"))[0].error, /is no name for a counter/);
  assert.match(one(() => count("n", -1))[0].error, /not by -1/);
});

test("a guest that does not start", () => {
  const process = () => {};
  const configure = () => {
    throw new Failure("no config `x`");
  };
  assert.throws(() => start({ process, configure }), { message: "no config `x`" });
  assert.throws(() => start({}), /the guest exports no function `process`/);
  assert.throws(() => start({ process: 1 }), /something that is no function as `process`/);
  assert.throws(() => start({ process: async () => {} }), /`process` is asynchronous/);
  assert.match(one(() => Promise.resolve())[0].error, /`process` is asynchronous/);
});

test("the world is that of the host", () => {
  const read = (place) => readFileSync(new URL(place, import.meta.url), "utf8");
  assert.equal(read("../wit/processor.wit"), read("../../wit/processor.wit"));
});
