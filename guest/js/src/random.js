/**
 * Random numbers for an engine whose own begin with what was there at the build: all instances would have the same ones.
 */

import { getRandomBytes } from "wasi:random/random@0.2.0";

/** So many bytes `crypto.getRandomValues` takes at most, as everywhere. */
const QUOTA = 65536;

/** Whether there is a host, which there is not at the build. */
let hasHost = false;
let next = Math.random;
Math.random = () => next();

/** The first call of the host to an instance. */
export function begin() {
  hasHost = true;
  next = () => {
    const [a, b, c, d] = new Uint32Array(bytesOf(16).buffer);
    next = generator(a, b, c, d);
    return next();
  };
}

/** The generator sfc32, two words a number. */
function generator(a, b, c, d) {
  const word = () => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  return () => ((word() >>> 5) * 0x4000000 + (word() >>> 6)) / 0x20000000000000;
}

function bytesOf(length) {
  if (!hasHost) throw new Error("a guest has random bytes once it is called, and not when it is built");
  return Uint8Array.from(getRandomBytes(length));
}

globalThis.crypto ??= {
  getRandomValues(array) {
    if (QUOTA < array.byteLength) throw new RangeError(`these are ${array.byteLength} bytes, of at most ${QUOTA}`);
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytesOf(array.byteLength));
    return array;
  },
  randomUUID() {
    const bytes = bytesOf(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = Array.from(bytes, (it) => it.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
};
