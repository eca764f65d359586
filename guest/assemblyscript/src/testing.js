/**
 * A host for tests: the guest is compiled as `asc` does it and runs in Node.js, with what it would meet in a stream.
 */

import asc from "assemblyscript/asc";

/** Compiles the guest of a project. */
export async function compile({ entry, config = "asconfig.json", path = [] } = {}) {
  const made = new Map();
  const said = { text: "", write: (text) => (said.text += text) };
  const flags = ["--config", config, "--target", "test", "--outFile", "guest.wasm"];
  const paths = path.length === 0 ? [] : ["--path", path.join(",")];
  const { error } = await asc.main([...(entry === undefined ? [] : [entry]), ...flags, ...paths], {
    stdout: said,
    stderr: said,
    writeFile: (name, content) => made.set(name, content),
  });
  if (error) throw new Error(`${said.text}${error.message}`);
  return new Guest(new WebAssembly.Module(made.get("guest.wasm")));
}

class Guest {
  #module;

  constructor(module) {
    this.#module = module;
  }

  /** Starts the guest with a config. Throws the reason why it does not start. */
  start(config = {}, { function: name = "process" } = {}) {
    return new Host(this.#module, config, name);
  }
}

/** What is told of something that is missing. */
const ABSENT = -1;

class Host {
  logs = [];
  /** What `now` answers, in nanoseconds. */
  time = 0n;
  #counters = new Map();
  #config;
  #module;
  #name;
  #exports;
  /** The batch, what became of its messages, and the one at work. */
  #messages = [];
  #results = [];
  #work;
  #random = 1;

  constructor(module, config, name) {
    this.#module = module;
    this.#name = name;
    this.#config = new Map(Object.entries(config).map(([key, value]) => [key, String(value)]));
    this.#begin();
  }

  /** Gives a batch to the guest and returns, for each message, the list of messages that it became. */
  process(messages) {
    this.#messages = messages.map((it) => new State(it));
    this.#results = [];
    while (this.#results.length < this.#messages.length) {
      this.#work = new Work(this.#messages[this.#results.length]);
      try {
        this.#exports[this.#name]();
      } catch (error) {
        // A trap: the message fails, and the instance is gone.
        if (this.#work !== undefined) this.#results.push(this.#work.failed(`trap: ${error.message}`));
        this.#begin();
      }
      this.#work = undefined;
    }
    return this.#results;
  }

  counter(name) {
    return this.#counters.get(name) ?? 0;
  }

  /** Ends the guest. */
  close() {
    this.#exports.wappa_close?.();
  }

  /** Makes an instance. */
  #begin() {
    this.#work = undefined;
    this.#exports = new WebAssembly.Instance(this.#module, { wappa: this.#functions() }).exports;
    this.#exports._initialize?.();
    if ((this.#exports.wappa_init?.() ?? 0) !== 0) {
      const reason = this.logs.findLast((it) => it.level === "error")?.text;
      throw new Error(reason ?? "the guest does not start");
    }
  }

  #bytes(at, length) {
    return new Uint8Array(this.#exports.memory.buffer, at >>> 0, length >>> 0);
  }

  #text(at, length, what) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#bytes(at, length));
    } catch {
      throw new Error(`${what} is not UTF-8`);
    }
  }

  #answer(bytes, at, room) {
    if (bytes.length <= room >>> 0 && bytes.length > 0) this.#bytes(at, bytes.length).set(bytes);
    return bytes.length;
  }

  #message() {
    if (this.#work === undefined) throw new Error("there is no message to work on");
    return this.#work;
  }

  #functions() {
    const key = (at, length) => this.#text(at, length, "the key");
    const find = (at, length) => {
      const { metadata } = this.#message().now;
      const name = key(at, length);
      return metadata.has(name) ? metadata.get(name) : undefined;
    };
    return {
      v1_content_len: () => this.#message().now.content.length,
      v1_content_read: (offset, at, room) => {
        const part = this.#message().now.content.subarray(offset >>> 0, (offset >>> 0) + (room >>> 0));
        return this.#answer(part, at, part.length);
      },
      v1_content_write: (at, length) => {
        this.#message().now.content = this.#bytes(at, length).slice();
      },
      v1_meta_get: (keyAt, keyLength, at, room) => {
        const value = find(keyAt, keyLength);
        return value === undefined ? ABSENT : this.#answer(printed(value), at, room);
      },
      v1_meta_get_json: (keyAt, keyLength, at, room) => {
        const value = find(keyAt, keyLength);
        if (value === undefined) return ABSENT;
        const json = value instanceof Uint8Array ? textOf(value) : value;
        return this.#answer(bytesOf(JSON.stringify(json)), at, room);
      },
      v1_meta_set: (keyAt, keyLength, at, length) => {
        this.#message().now.metadata.set(key(keyAt, keyLength), normal(this.#bytes(at, length).slice()));
      },
      v1_meta_set_json: (keyAt, keyLength, at, length) => {
        const json = this.#text(at, length, "the value");
        const { metadata } = this.#message().now;
        try {
          metadata.set(key(keyAt, keyLength), JSON.parse(json));
        } catch {
          throw new Error(`the value is not JSON: ${json}`);
        }
      },
      v1_meta_delete: (at, length) => Number(this.#message().now.metadata.delete(key(at, length))),
      v1_meta_keys: (at, room) => {
        const names = sorted(this.#message().now.metadata).map(([name]) => bytesOf(name));
        const parts = names.flatMap((it) => [new Uint8Array(Uint32Array.of(it.length).buffer), it]);
        return this.#answer(Buffer.concat(parts), at, room);
      },
      v1_error_get: (at, room) => {
        const { error } = this.#message().now;
        return error === undefined ? ABSENT : this.#answer(bytesOf(error), at, room);
      },
      v1_error_clear: () => {
        this.#message().now.error = undefined;
      },
      v1_emit: () => {
        const { emitted, now } = this.#message();
        emitted.push(told(now));
      },
      v1_filter: () => {
        this.#message().isFiltered = true;
      },
      v1_fail: (at, length) => {
        const reason = textOf(this.#bytes(at, length));
        this.#message().reason = reason.trim() === "" ? "the guest gave no reason" : reason;
      },
      v1_next: () => {
        this.#results.push(this.#message().finished());
        const message = this.#messages[this.#results.length];
        this.#work = message && new Work(message);
        return this.#work === undefined ? ABSENT : 1;
      },
      v1_batch_index: () => {
        this.#message();
        return this.#results.length;
      },
      v1_batch_len: () => {
        this.#message();
        return this.#messages.length;
      },
      v1_config_get: (keyAt, keyLength, at, room) => {
        const value = this.#config.get(key(keyAt, keyLength));
        return value === undefined ? ABSENT : this.#answer(bytesOf(value), at, room);
      },
      v1_log: (level, at, length) => {
        const name = ["trace", "debug", "info", "warn", "error"][level];
        if (name === undefined) throw new Error(`there is no level ${level}: 0 is trace, 4 is error`);
        this.logs.push({ level: name, text: textOf(this.#bytes(at, length)) });
      },
      v1_counter_add: (at, length, delta) => {
        const name = this.#text(at, length, "the name");
        this.#counters.set(name, this.counter(name) + Number(delta));
      },
      v1_now: () => BigInt(this.time),
      // The same bytes for each host, so that a test can rely on them.
      v1_random: (at, length) => {
        const bytes = this.#bytes(at, length);
        for (let i = 0; i < bytes.length; i++) {
          this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
          bytes[i] = this.#random >>> 24;
        }
      },
    };
  }
}

/** A message as it is now. */
class State {
  constructor({ content = "", metadata = {}, error } = {}) {
    this.content = typeof content === "string" ? bytesOf(content) : new Uint8Array(content);
    this.metadata = new Map(Object.entries(metadata).map(([key, value]) => [key, normal(value)]));
    this.error = error;
  }
}

/** The message at work. */
class Work {
  emitted = [];
  isFiltered = false;
  reason;

  constructor(before) {
    this.before = before;
    this.now = { ...before, metadata: new Map(before.metadata) };
  }

  finished() {
    if (this.reason !== undefined) return this.failed(this.reason);
    return this.isFiltered ? this.emitted : [...this.emitted, told(this.now)];
  }

  failed(reason) {
    return [told({ ...this.before, error: reason })];
  }
}

const bytesOf = (text) => new TextEncoder().encode(text);

const textOf = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** A value of metadata in the form in which a test sees it: bytes that are text are a text. */
function normal(value) {
  if (!(value instanceof Uint8Array)) return value;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return new Uint8Array(value);
  }
}

/** A value as `v1_meta_get` prints it. */
function printed(value) {
  if (value instanceof Uint8Array) return value;
  return bytesOf(typeof value === "string" ? value : JSON.stringify(value));
}

const sorted = (map) => Array.from(map).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** A message as the test sees it. */
function told({ content, metadata, error }) {
  const message = {
    content: new Uint8Array(content),
    text: textOf(content),
    metadata: Object.fromEntries(sorted(metadata)),
  };
  return error === undefined ? message : { ...message, error };
}
