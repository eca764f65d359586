// Split makes a message of every piece of the content that is not empty.

import { Failure } from "wappa-guest";

const SPACE = 0x20;

let separator = new Uint8Array();

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  separator = new TextEncoder().encode(config.get("separator") ?? ",");
  if (separator.length === 0) throw new Failure("the config `separator` is empty");
}

/** @type {import("wappa-guest").Process} */
export function process(message) {
  let index = 0;
  for (const piece of pieces(message.content)) {
    message.content = piece;
    message.metadata.set("split_index", index++);
    message.emit();
  }
  // The pieces were sent; what is left of the message is not.
  message.filter();
}

/** @param {Uint8Array} content */
function* pieces(content) {
  let start = 0;
  while (start <= content.length) {
    const end = find(content, start);
    const piece = trimmed(content.subarray(start, end));
    if (piece.length > 0) yield piece;
    start = end + separator.length;
  }
}

/** Where the separator is next, or the end. @param {Uint8Array} content @param {number} from */
function find(content, from) {
  for (let at = content.indexOf(separator[0], from); at >= 0; at = content.indexOf(separator[0], at + 1)) {
    if (separator.every((it, offset) => content[at + offset] === it)) return at;
  }
  return content.length;
}

/** @param {Uint8Array} piece */
function trimmed(piece) {
  let [start, end] = [0, piece.length];
  while (start < end && piece[start] === SPACE) start++;
  while (start < end && piece[end - 1] === SPACE) end--;
  return piece.subarray(start, end);
}
