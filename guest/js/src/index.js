/**
 * What a guest imports. The rest comes with the message that its function `process` is given.
 */

import { host } from "./host.js";
import { wellFormed } from "./text.js";

export { Failure } from "./failure.js";

const line = (level) => (text) => host.log(level, wellFormed(String(text)));

/** Writes to the log of the stream. */
export const log = {
  trace: line("trace"),
  debug: line("debug"),
  info: line("info"),
  warn: line("warn"),
  error: line("error"),
};

/** Adds to the counter `wasm_guest_NAME` of the processor. */
export function count(name, delta = 1) {
  // Another name would end the call, with all of its messages.
  if (typeof name !== "string" || !/^[A-Za-z0-9_]{1,64}$/.test(name)) {
    throw new TypeError(`${String(name)} is no name for a counter: it has letters, digits and \`_\`, at most 64`);
  }
  if (!Number.isSafeInteger(delta) || delta < 0) {
    throw new RangeError(`a counter grows by a whole number that is not negative, not by ${String(delta)}`);
  }
  host.count(name, delta);
}
