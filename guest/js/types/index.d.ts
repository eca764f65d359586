/** A value of metadata: text, bytes, or anything else that is JSON. */
export type Value = string | Uint8Array | Json;

/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * The message that the guest has before it. There is one object for all messages, which is valid until `process` returns:
 * keep what you read of it, not the object.
 */
export interface Message {
  /**
   * The content. What is never asked for is never copied into the guest. The bytes are the guest's own: to change the
   * message, assign to it. A text that is assigned becomes UTF-8.
   */
  get content(): Uint8Array;
  set content(value: Uint8Array | ArrayBuffer | ArrayBufferView | string);

  /** The content as text. Where it is not UTF-8, the message fails with the reason `the content is not UTF-8`. */
  text: string;

  /** The content, read as JSON. Throws a `SyntaxError` where it is none. */
  json(): unknown;

  /** Makes the content the JSON of a value. */
  setJson(value: unknown): void;

  readonly metadata: Metadata;

  /** The error mark of a message that failed before it came here. */
  readonly error: string | undefined;

  /** Removes the error mark. */
  clearError(): void;

  /** Sends the message as it stands, and goes on with a copy of it. */
  emit(): void;

  /** The message is not sent when `process` returns; what was emitted is. It counts as delivered. */
  filter(): void;

  /** The message goes on as it came in, marked with this reason, whatever else was done to it. */
  fail(reason: string): void;

  /** Which one it is in its own batch, from 0. */
  readonly index: number;

  /** How many messages its own batch has. */
  readonly batchLength: number;
}

/** The metadata of a message, much like a `Map`. */
export interface Metadata {
  /** The value of a key; `undefined` when it is missing, which is something else than empty. */
  get(key: string): Value | undefined;
  has(key: string): boolean;
  /** Throws a `TypeError` for what is neither text nor bytes nor JSON. */
  set(key: string, value: Value): this;
  /** Says whether the key was there. */
  delete(key: string): boolean;
  /** All keys, in order. */
  keys(): string[];
  /** All keys with their values, in order. */
  entries(): [string, Value][];
  [Symbol.iterator](): IterableIterator<[string, Value]>;
}

/** What a guest's module exports as `process`. It is called for each message. */
export type Process = (message: Message) => void;

/**
 * What a guest's module may export as `configure`. It is called once for each instance, before the first message, with the
 * processor's field `config`. What it throws keeps the stream from starting.
 */
export type Configure = (config: ReadonlyMap<string, string>) => void;

/** An error whose text alone is the reason why its message failed, without the line that any other exception comes with. */
export class Failure extends Error {
  constructor(reason: string);
}

/** Writes lines to the log of the stream, under the processor's label. `console` does the same. */
export const log: {
  trace(text: string): void;
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
};

/**
 * Adds to the counter `wasm_guest_NAME` of the processor.
 *
 * @param name ASCII letters, digits and `_`, at most 64 of them; throws a `TypeError` for another one.
 * @param delta a whole number that is not negative, 1 when it is left out; throws a `RangeError` for another one.
 */
export function count(name: string, delta?: number): void;
