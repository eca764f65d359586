/**
 * UTF-8. QuickJS has no `TextEncoder` and no `TextDecoder`; what it has is native code that percent-encodes UTF-8, which
 * is a good deal faster than a loop over bytes. Engines that have them use them.
 */

/** So many bytes become one call's arguments: more of them overflow the stack of some engines. */
const CHUNK = 4096;

const encoder = globalThis.TextEncoder && new globalThis.TextEncoder();
const strict = globalThis.TextDecoder && new globalThis.TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One character for each byte. */
function binaryOf(bytes) {
  if (bytes.length <= CHUNK) return String.fromCharCode.apply(null, bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  }
  return text;
}

/**
 * The text as UTF-8 can have it: half a surrogate pair, as `"\ud800"` of JSON makes it, becomes U+FFFD. To hand one to the
 * host ends the call in QuickJS, with all of its messages.
 */
export function wellFormed(text) {
  if (text.toWellFormed) return text.toWellFormed();
  return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, (it) => (it.length === 2 ? it : "\ufffd"));
}

/** The text that the bytes are in UTF-8; `undefined` where they are not UTF-8. */
export function textOf(bytes) {
  try {
    if (strict) return strict.decode(bytes);
    const binary = binaryOf(bytes);
    return /[\x80-\xff]/.test(binary) ? decodeURIComponent(escape(binary)) : binary;
  } catch {
    return undefined;
  }
}

/** The bytes of a text in UTF-8. Half a surrogate pair becomes U+FFFD, as with `TextEncoder`. */
export function bytesOf(text) {
  if (encoder) return encoder.encode(text);
  // eslint-disable-next-line no-control-regex
  const binary = /^[\x00-\x7f]*$/.test(text) ? text : unescape(encodeURIComponent(wellFormed(text)));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** `TextEncoder` and `TextDecoder` for guests in engines without them: UTF-8 only. */
export function provideTextCoders() {
  globalThis.TextEncoder ??= class TextEncoder {
    get encoding() {
      return "utf-8";
    }

    encode(text = "") {
      return bytesOf(String(text));
    }

    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const letter of String(text)) {
        const bytes = bytesOf(letter);
        if (target.length < written + bytes.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += letter.length;
      }
      return { read, written };
    }
  };
  globalThis.TextDecoder ??= class TextDecoder {
    #fatal;
    #ignoreBOM;

    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(String(label).trim().toLowerCase())) {
        throw new RangeError(`TextDecoder: ${label} is not there; this engine has utf-8 only`);
      }
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }

    get encoding() {
      return "utf-8";
    }

    get fatal() {
      return this.#fatal;
    }

    get ignoreBOM() {
      return this.#ignoreBOM;
    }

    decode(input = new Uint8Array(), { stream = false } = {}) {
      if (stream) throw new TypeError("TextDecoder: `stream` is not there in this engine");
      const bytes = bytesIn(input);
      let text = textOf(bytes);
      if (text === undefined) {
        if (this.#fatal) throw new TypeError("TextDecoder: the bytes are not UTF-8");
        text = lossy(bytes);
      }
      return !this.#ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
    }
  };
}

/** The bytes of a buffer or of a view of one, without a copy. */
export function bytesIn(input) {
  if (input instanceof Uint8Array) return input;
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

/** The text with U+FFFD for whatever is not UTF-8, as the Encoding Standard says: one for each longest beginning. */
export function lossy(bytes) {
  const n = bytes.length;
  let text = "";
  let at = 0;
  while (at < n) {
    const first = bytes[at];
    let length = 1;
    let isWhole = first < 0x80;
    if (first >= 0xc2 && first <= 0xf4) {
      const wanted = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
      let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
      let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      while (length < wanted && at + length < n && bytes[at + length] >= low && bytes[at + length] <= high) {
        length++;
        [low, high] = [0x80, 0xbf];
      }
      isWhole = length === wanted;
    }
    text += isWhole ? textOf(bytes.subarray(at, at + length)) : "\ufffd";
    at += length;
  }
  return text;
}
