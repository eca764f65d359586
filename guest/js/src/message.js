import { Failure, reasonOf, refuseResult } from "./failure.js";
import { bytesIn, bytesOf, textOf, wellFormed } from "./text.js";

const KEEP = Object.freeze({ tag: "keep" });
const FILTER = Object.freeze({ tag: "filter" });

/** The host is told of so many changes at the latest. */
const CHANGES_MAX = 1024;

/** What a value of metadata is in the world. */
function toWit(value) {
  if (typeof value === "string") return { tag: "text", val: wellFormed(value) };
  if (value instanceof Uint8Array) return { tag: "bytes", val: value };
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`${typeof value} is no value for metadata`);
  return { tag: "json", val: json };
}

/** And back. A missing one is `null` in one engine and `undefined` in the other. */
function fromWit(value) {
  if (value == null) return undefined;
  return value.tag === "json" ? JSON.parse(value.val) : value.val;
}

function keyOf(key) {
  if (typeof key !== "string") throw new TypeError(`a key of metadata is a string, not ${typeof key}`);
  return wellFormed(key);
}

/** In the order of their bytes in UTF-8, which is that of the host and not that of `sort`. */
function compare(a, b) {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const difference = left[at].codePointAt(0) - right[at].codePointAt(0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** The message that the guest has before it: one object for all, which is valid until `process` returns. */
export class Message {
  #batch = null;
  #index = 0;
  #metadata = null;
  /** All contents of the batch, from an offset on, and where each of them ends, as soon as one was asked for. */
  #buffer = null;
  #offset = 0;
  #ends = null;
  #content = undefined;
  #isChanged = false;
  /** Changes of metadata that the host was not told yet: a call of it costs more than all that it does for one. */
  #changes = [];
  /** What is seldom is looked at together. */
  #isUnusual = false;
  #isFiltered = false;
  #reason = undefined;
  /** What was sent; from then on the metadata are here, by key. */
  #sent = null;
  #own = null;

  /** What becomes of each message of a batch, by what the guest's function does to it. */
  serve(batch, process) {
    const length = batch.len();
    const dispositions = new Array(length);
    // Of a call that ended in the middle nothing stands.
    this.#changes.length = 0;
    this.#batch = batch;
    this.#buffer = null;
    // All in one loop: in an interpreter, calls are what costs.
    for (let index = 0; index < length; index++) {
      this.#index = index;
      this.#content = undefined;
      this.#isChanged = false;
      if (this.#isUnusual) this.#reset();
      try {
        const result = process(this);
        if (result !== undefined) refuseResult("process", result);
        if (this.#isUnusual) dispositions[index] = this.#finishUnusual();
        else dispositions[index] = this.#isChanged ? { tag: "content", val: this.#content } : KEEP;
      } catch (thrown) {
        dispositions[index] = { tag: "fail", val: reasonOf(thrown) };
      }
    }
    this.#tell();
    this.#batch = null;
    this.#buffer = null;
    this.#content = undefined;
    return dispositions;
  }

  #reset() {
    this.#isUnusual = false;
    this.#isFiltered = false;
    this.#reason = undefined;
    this.#sent = null;
    this.#own = null;
  }

  #finishUnusual() {
    if (this.#reason !== undefined) return { tag: "fail", val: this.#reason };
    if (this.#sent !== null) {
      if (!this.#isFiltered) this.#send(this.content);
      return { tag: "send", val: this.#sent };
    }
    if (this.#isFiltered) return FILTER;
    return this.#isChanged ? { tag: "content", val: this.#content } : KEEP;
  }

  #send(content) {
    this.#sent.push({ content, metadata: Array.from(this.#own) });
  }

  #host() {
    if (this.#batch === null) throw new Error("the message is over: it is valid until `process` returns");
    return this.#batch;
  }

  #tell() {
    if (this.#changes.length === 0) return;
    this.#batch.changeMetadata(this.#changes);
    this.#changes.length = 0;
  }

  /** The host, which knows of all changes of the metadata. */
  #told() {
    const batch = this.#host();
    const { length } = this.#changes;
    if (0 < length && this.#changes[length - 1][0] === this.#index) this.#tell();
    return batch;
  }

  get content() {
    if (this.#content === undefined) {
      if (this.#buffer === null) this.#read();
      const ends = this.#ends;
      const at = this.#index;
      const start = at === 0 ? 0 : ends[at - 1];
      // `subarray` asks for the kind of array that it is to make, which takes QuickJS longer than all the rest.
      this.#content = new Uint8Array(this.#buffer, this.#offset + start, ends[at] - start);
    }
    return this.#content;
  }

  set content(value) {
    if (this.#batch === null) this.#host();
    if (value instanceof Uint8Array) this.#content = value;
    else this.#content = typeof value === "string" ? bytesOf(value) : contentOf(value);
    this.#isChanged = true;
  }

  #read() {
    // One call of the host for all of them: most guests read every content.
    const [all, ends] = this.#host().contents();
    this.#buffer = all.buffer;
    this.#offset = all.byteOffset;
    this.#ends = ends;
  }

  get text() {
    const text = textOf(this.content);
    if (text === undefined) throw new Failure("the content is not UTF-8");
    return text;
  }

  set text(value) {
    this.content = String(value);
  }

  json() {
    return JSON.parse(this.text);
  }

  setJson(value) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`${typeof value} is no JSON`);
    this.content = json;
  }

  get metadata() {
    // The same object each time, so that it costs nothing.
    return (this.#metadata ??= new Metadata(this));
  }

  getMetadata(name) {
    const key = keyOf(name);
    const batch = this.#told();
    return fromWit(this.#own === null ? batch.getMetadata(this.#index, key) : this.#own.get(key));
  }

  setMetadata(name, value) {
    const key = keyOf(name);
    const wit = toWit(value);
    // What it took is the guest's, which may change it.
    if (wit.tag === "bytes") wit.val = wit.val.slice();
    this.#host();
    if (this.#own !== null) this.#own.set(key, wit);
    else if (CHANGES_MAX <= this.#changes.push([this.#index, key, wit])) this.#tell();
  }

  deleteMetadata(name) {
    const key = keyOf(name);
    const batch = this.#told();
    return this.#own === null ? batch.deleteMetadata(this.#index, key) : this.#own.delete(key);
  }

  metadataKeys() {
    const batch = this.#told();
    if (this.#own === null) return Array.from(batch.metadataKeys(this.#index));
    return Array.from(this.#own.keys()).sort(compare);
  }

  metadataPairs() {
    const batch = this.#told();
    if (this.#own === null) return Array.from(batch.metadata(this.#index), ([key, value]) => [key, fromWit(value)]);
    const pairs = Array.from(this.#own, ([key, value]) => [key, fromWit(value)]);
    return pairs.sort(([a], [b]) => compare(a, b));
  }

  get error() {
    return this.#host().error(this.#index) ?? undefined;
  }

  clearError() {
    this.#host().clearError(this.#index);
  }

  emit() {
    const batch = this.#host();
    this.#isUnusual = true;
    this.#sent ??= [];
    this.#told();
    this.#own ??= new Map(batch.metadata(this.#index));
    // What was sent stays as it is, whatever the guest does to the bytes that it has.
    this.#send(this.content.slice());
  }

  filter() {
    this.#host();
    this.#isUnusual = true;
    this.#isFiltered = true;
  }

  fail(reason) {
    this.#host();
    this.#isUnusual = true;
    this.#reason = wellFormed(String(reason));
  }

  get index() {
    return this.#host().position(this.#index)[0];
  }

  get batchLength() {
    return this.#host().position(this.#index)[1];
  }
}

function contentOf(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return bytesIn(value);
  throw new TypeError(`a content is bytes or a string, not ${value === null ? "null" : typeof value}`);
}

/** The metadata of the message, like a `Map`. */
class Metadata {
  #message;

  constructor(message) {
    this.#message = message;
  }

  get(key) {
    return this.#message.getMetadata(key);
  }

  has(key) {
    return this.#message.getMetadata(key) !== undefined;
  }

  set(key, value) {
    this.#message.setMetadata(key, value);
    return this;
  }

  delete(key) {
    return this.#message.deleteMetadata(key);
  }

  keys() {
    return this.#message.metadataKeys();
  }

  entries() {
    return this.#message.metadataPairs();
  }

  [Symbol.iterator]() {
    return this.#message.metadataPairs()[Symbol.iterator]();
  }
}
