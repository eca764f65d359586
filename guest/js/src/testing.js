/**
 * A host for tests, without WebAssembly: what the guest would meet in a stream, in the same process.
 */

import { isBuiltin } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { host } from "./host.js";
import { bytesIn, bytesOf, lossy } from "./text.js";
import { transformOf } from "./transform.js";

const HERE = path.dirname(fileURLToPath(import.meta.url));

/** Starts a guest with a config. What `configure` throws comes as an `Error` with the reason that a stream would show. */
export function start(guest, config = {}) {
  return new Host(guest, config);
}

class Host {
  logs = [];
  #counters = new Map();
  #transform;

  constructor(guest, config) {
    this.#transform = transformOf(guest);
    const pairs = Object.entries(config).map(([key, value]) => [key, String(value)]);
    this.#enter(() => {
      try {
        this.#transform.configure(pairs);
      } catch (reason) {
        throw new Error(reason);
      }
    });
  }

  /** Gives a batch to the guest and returns, for each message, the list of messages that it became. */
  process(messages) {
    const batch = new Batch(messages.map((it) => new State(it)));
    const dispositions = this.#enter(() => this.#transform.process(batch));
    return dispositions.map((disposition, index) => batch.outcome(index, disposition));
  }

  counter(name) {
    return this.#counters.get(name) ?? 0;
  }

  /** Calls the guest as one that has this host. */
  #enter(call) {
    const before = { ...host };
    Object.assign(host, {
      log: (level, text) => this.logs.push({ level, text }),
      count: (name, delta) => this.#counters.set(name, this.counter(name) + delta),
      placeOf,
    });
    try {
      return call();
    } finally {
      Object.assign(host, before);
    }
  }
}

/** Where a frame of Node's stack is, when it is neither of this library nor of another one. */
function placeOf(frame) {
  const found = /\(?((?:file:\/\/)?\/[^\s()]*|[a-z]+:[^\s():]+):(\d+):\d+\)?$/.exec(frame);
  if (found === null || isBuiltin(found[1])) return undefined;
  const file = found[1].startsWith("file://") ? fileURLToPath(found[1]) : found[1];
  if (path.dirname(file) === HERE || file.includes(`${path.sep}node_modules${path.sep}`)) return undefined;
  return `${path.relative(process.cwd(), file)}:${found[2]}`;
}

/** A message as it is now. */
class State {
  constructor({ content = "", metadata = {}, error } = {}) {
    this.content = typeof content === "string" ? bytesOf(content) : bytesIn(content);
    this.metadata = new Map(Object.entries(metadata).map(([key, value]) => [key, normal(value)]));
    this.error = error;
  }

  copy() {
    return new State({ content: this.content, metadata: Object.fromEntries(this.metadata), error: this.error });
  }
}

/** A value of metadata in the form in which a stream keeps it. */
function normal(value) {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`${typeof value} is no value for metadata`);
  return JSON.parse(json);
}

const toWit = (value) => {
  if (typeof value === "string") return { tag: "text", val: value };
  if (value instanceof Uint8Array) return { tag: "bytes", val: value.slice() };
  return { tag: "json", val: JSON.stringify(value) };
};

function fromWit({ tag, val }) {
  if (tag !== "json") return val;
  const value = JSON.parse(val);
  // A text that came as JSON is a text.
  return value;
}

const sorted = (map) => Array.from(map).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** The messages of a call, as the world `processor` has them. */
class Batch {
  #before;
  #now;

  constructor(states) {
    this.#before = states;
    this.#now = states.map((it) => it.copy());
  }

  len() {
    return this.#now.length;
  }

  content(index) {
    return this.#before[index].content.slice();
  }

  contents() {
    const contents = this.#before.map((it) => it.content);
    let end = 0;
    return [new Uint8Array(Buffer.concat(contents)), Uint32Array.from(contents, (it) => (end += it.length))];
  }

  getMetadata(index, key) {
    const { metadata } = this.#now[index];
    return metadata.has(key) ? toWit(metadata.get(key)) : undefined;
  }

  metadata(index) {
    return sorted(this.#now[index].metadata).map(([key, value]) => [key, toWit(value)]);
  }

  metadataKeys(index) {
    return sorted(this.#now[index].metadata).map(([key]) => key);
  }

  changeMetadata(changes) {
    for (const [index, key, value] of changes) {
      const { metadata } = this.#now[index];
      if (value == null) metadata.delete(key);
      else metadata.set(key, fromWit(value));
    }
  }

  deleteMetadata(index, key) {
    return this.#now[index].metadata.delete(key);
  }

  error(index) {
    return this.#now[index].error;
  }

  clearError(index) {
    this.#now[index].error = undefined;
  }

  position(index) {
    return [index, this.#now.length];
  }

  [Symbol.dispose ?? Symbol()]() {}

  /** What became of a message, for the test. */
  outcome(index, { tag, val }) {
    const now = this.#now[index];
    switch (tag) {
      case "keep":
        return [told(now)];
      case "filter":
        return [];
      case "content":
        return [told({ ...now, content: val })];
      case "send":
        return val.map(({ content, metadata }) => {
          const pairs = metadata.map(([key, value]) => [key, fromWit(value)]);
          return told({ content, metadata: new Map(pairs), error: now.error });
        });
      case "fail":
        return [told({ ...this.#before[index], error: val })];
      default:
        throw new Error(`there is no disposition \`${tag}\``);
    }
  }
}

function told({ content, metadata, error }) {
  const message = { content: content.slice(), text: lossy(content), metadata: Object.fromEntries(sorted(metadata)) };
  return error === undefined ? message : { ...message, error };
}
