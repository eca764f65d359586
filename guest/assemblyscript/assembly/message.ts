// The message that a guest has before it.
import { Bytes } from "./bytes";
import * as host from "./host";
import { KEY, VALUE } from "./scratch";
import { refuse } from "./serve";
import { decode, isUtf8 } from "./text";

/** Reads the content into the scratch, and gives its length. */
function readContent(): void {
  const length = host.contentLength();
  VALUE.length = host.contentRead(0, VALUE.reserve(length), length);
}

/**
 * The message that the guest is called for. There is one object for all messages, which is over when the function
 * returns: keep what you read of it, not the object.
 */
export class Message {
  /** The metadata. */
  readonly metadata: Metadata = new Metadata();

  /** The content, as bytes of your own. What is never asked for is never copied into the guest. */
  get content(): Uint8Array {
    const length = host.contentLength();
    const bytes = new Uint8Array(length);
    host.contentRead(0, bytes.dataStart, length);
    return bytes;
  }

  /** Replaces the content. */
  set content(bytes: Uint8Array) {
    host.contentWrite(bytes.dataStart, bytes.length);
  }

  /** The content as a text. What is not UTF-8 fails the message with a reason that says so. */
  get text(): string {
    readContent();
    if (!isUtf8(VALUE.at, VALUE.length)) refuse("the content is not UTF-8");
    return VALUE.text();
  }

  /** Replaces the content by a text. */
  set text(text: string) {
    VALUE.encode(text);
    host.contentWrite(VALUE.at, VALUE.length);
  }

  /** The length of the content in bytes, which is not read for it. */
  get length(): i32 {
    return host.contentLength();
  }

  /** Reads the content into bytes that are used again, in place of what is in them. */
  read(into: Bytes): Bytes {
    const length = host.contentLength();
    into.clear().resize(length);
    host.contentRead(0, into.dataStart, length);
    return into;
  }

  /** Replaces the content. */
  write(bytes: Bytes): void {
    host.contentWrite(bytes.dataStart, bytes.length);
  }

  /** Replaces the content by a part of these bytes. */
  writePart(bytes: Bytes, start: i32, end: i32): void {
    if (start < 0 || end < start || bytes.length < end) throw new RangeError("there is no such part");
    host.contentWrite(bytes.dataStart + start, end - start);
  }

  /** The error mark of a message that failed before it came here, or null. */
  get error(): string | null {
    let length = host.errorGet(VALUE.at, VALUE.room);
    if (length == -1) return null;
    if (VALUE.room < length) length = host.errorGet(VALUE.reserve(length), length);
    return decode(VALUE.at, length);
  }

  /** Removes the error mark. */
  clearError(): void {
    host.errorClear();
  }

  /** Sends the message as it stands, and goes on with a copy of it: one in, many out. */
  emit(): void {
    host.emit();
  }

  /** The message is not sent when the function returns; what was emitted is. */
  filter(): void {
    host.filter();
  }

  /**
   * The message goes on as it came in, marked with this reason, whatever else is done to it. The last reason counts. An
   * exception does the same, and says where it was thrown.
   */
  fail(reason: string): void {
    VALUE.encode(reason);
    host.fail(VALUE.at, VALUE.length);
  }

  /** Which one it is in its batch, from 0. */
  get index(): i32 {
    return host.batchIndex();
  }

  /** How many messages its batch has. */
  get batchLength(): i32 {
    return host.batchLength();
  }
}

/** The metadata of a message, much like a `Map`. Keys are text; values are text, bytes, or anything that is JSON. */
export class Metadata {
  /** A value as text, or null where the key is missing, which is something else than empty. A number comes by its
   * digits, a list or an object as JSON. */
  get(key: string): string | null {
    return this.find(key) ? VALUE.text() : null;
  }

  /** A value as bytes of your own, or null where the key is missing. */
  getBytes(key: string): Uint8Array | null {
    return this.find(key) ? VALUE.bytes() : null;
  }

  /** A value as JSON, which tells 5 and "5" apart, or null where the key is missing. */
  getJson(key: string): string | null {
    KEY.encode(key);
    let length = host.metaGetJson(KEY.at, KEY.length, VALUE.at, VALUE.room);
    if (length == -1) return null;
    if (VALUE.room < length) length = host.metaGetJson(KEY.at, KEY.length, VALUE.reserve(length), length);
    return decode(VALUE.at, length);
  }

  /** Reads a value into bytes that are used again, in place of what is in them, and says whether the key is there. */
  read(key: string, into: Bytes): bool {
    if (!this.find(key)) return false;
    into.clear().addMemory(VALUE.at, VALUE.length);
    return true;
  }

  /** Whether there is such a key. */
  has(key: string): bool {
    KEY.encode(key);
    return host.metaGet(KEY.at, KEY.length, 0, 0) != -1;
  }

  /** Sets a key to a text. */
  set(key: string, value: string): void {
    KEY.encode(key);
    VALUE.encode(value);
    host.metaSet(KEY.at, KEY.length, VALUE.at, VALUE.length);
  }

  /** Sets a key to any bytes. */
  setBytes(key: string, value: Uint8Array): void {
    KEY.encode(key);
    host.metaSet(KEY.at, KEY.length, value.dataStart, value.length);
  }

  /** Sets a key to any bytes. */
  write(key: string, value: Bytes): void {
    KEY.encode(key);
    host.metaSet(KEY.at, KEY.length, value.dataStart, value.length);
  }

  /** Sets a key to a number. */
  setInteger(key: string, value: i64): void {
    this.setJson(key, value.toString());
  }

  /** Sets a key to a number. Throws for one that JSON cannot say, an infinity or NaN. */
  setFloat(key: string, value: f64): void {
    if (!isFinite(value)) throw new RangeError("metadata cannot be an infinity or NaN");
    this.setJson(key, value.toString());
  }

  /** Sets a key to true or false. */
  setBool(key: string, value: bool): void {
    this.setJson(key, value ? "true" : "false");
  }

  /** Sets a key to the value that this JSON says. What is not JSON is a mistake that costs the instance. */
  setJson(key: string, json: string): void {
    KEY.encode(key);
    VALUE.encode(json);
    host.metaSetJson(KEY.at, KEY.length, VALUE.at, VALUE.length);
  }

  /** Removes a key, and says whether it was there. */
  delete(key: string): bool {
    KEY.encode(key);
    return host.metaDelete(KEY.at, KEY.length) == 1;
  }

  /** All keys, in order. */
  keys(): string[] {
    let length = host.metaKeys(VALUE.at, VALUE.room);
    if (VALUE.room < length) length = host.metaKeys(VALUE.reserve(length), length);
    // Each is its length, 32 bits in little-endian order, and its bytes.
    const keys: string[] = [];
    const end = VALUE.at + length;
    let at = VALUE.at;
    while (at < end) {
      const size = load<i32>(at);
      keys.push(decode(at + 4, size));
      at += 4 + size;
    }
    return keys;
  }

  /** Reads a value into the scratch, and says whether the key is there. */
  private find(key: string): bool {
    KEY.encode(key);
    let length = host.metaGet(KEY.at, KEY.length, VALUE.at, VALUE.room);
    if (length == -1) return false;
    if (VALUE.room < length) length = host.metaGet(KEY.at, KEY.length, VALUE.reserve(length), length);
    VALUE.length = length;
    return true;
  }
}
