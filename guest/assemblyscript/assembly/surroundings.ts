// What there is besides messages.
import * as host from "./host";
import { KEY, VALUE } from "./scratch";
import { decode } from "./text";

/** The processor's field `config`. */
export namespace config {
  /** A value, or null where there is none. */
  export function get(key: string): string | null {
    KEY.encode(key);
    let length = host.configGet(KEY.at, KEY.length, VALUE.at, VALUE.room);
    if (length == -1) return null;
    if (VALUE.room < length) length = host.configGet(KEY.at, KEY.length, VALUE.reserve(length), length);
    return decode(VALUE.at, length);
  }

  /** A value, or another one where there is none. */
  export function getOr(key: string, otherwise: string): string {
    const value = get(key);
    return value === null ? otherwise : value;
  }
}

function write(level: i32, text: string): void {
  VALUE.encode(text);
  host.log(level, VALUE.at, VALUE.length);
}

/** Writes lines to the log of the stream, under the processor's label. `console` does the same. */
export namespace log {
  export function trace(text: string): void {
    write(0, text);
  }
  export function debug(text: string): void {
    write(1, text);
  }
  export function info(text: string): void {
    write(2, text);
  }
  export function warn(text: string): void {
    write(3, text);
  }
  export function error(text: string): void {
    write(4, text);
  }
}

function isCounterName(name: string): bool {
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    const lower = unit | 0x20;
    const isGood = (48 <= unit && unit <= 57) || (97 <= lower && lower <= 122 && unit < 128) || unit == 95;
    if (!isGood) return false;
  }
  return 0 < name.length && name.length <= 64;
}

/**
 * Adds to the counter `wasm_guest_NAME` of the processor. A name has ASCII letters, digits and `_`, at most 64 of them, and a
 * counter only goes up; throws otherwise.
 */
export function count(name: string, delta: i64 = 1): void {
  if (!isCounterName(name)) throw new TypeError("a counter's name has ASCII letters, digits and _, 1 to 64 of them");
  if (delta < 0) throw new RangeError("a counter only goes up");
  KEY.encode(name);
  host.counterAdd(KEY.at, KEY.length, delta);
}

/** The time in nanoseconds since 1970. */
export function now(): i64 {
  return host.now();
}

/** Random bytes. */
export function random(length: i32): Uint8Array {
  const bytes = new Uint8Array(length);
  host.random(bytes.dataStart, length);
  return bytes;
}
