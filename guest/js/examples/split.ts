// Split makes a message of every piece of the content that is not empty.

import { Failure, type Message } from "wappa-guest";

const SPACE = 0x20;

let separator = new Uint8Array();

export function configure(config: ReadonlyMap<string, string>): void {
  separator = new TextEncoder().encode(config.get("separator") ?? ",");
  if (separator.length === 0) throw new Failure("the config `separator` is empty");
}

export function process(message: Message): void {
  let index = 0;
  for (const piece of pieces(message.content)) {
    message.content = piece;
    message.metadata.set("split_index", index++);
    message.emit();
  }
  // The pieces were sent; what is left of the message is not.
  message.filter();
}

function* pieces(content: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  while (start <= content.length) {
    const end = find(content, start);
    const piece = trimmed(content.subarray(start, end));
    if (piece.length > 0) yield piece;
    start = end + separator.length;
  }
}

/** Where the separator is next, or the end. */
function find(content: Uint8Array, from: number): number {
  const first = separator[0]!;
  for (let at = content.indexOf(first, from); at >= 0; at = content.indexOf(first, at + 1)) {
    if (separator.every((it, offset) => content[at + offset] === it)) return at;
  }
  return content.length;
}

function trimmed(piece: Uint8Array): Uint8Array {
  let [start, end] = [0, piece.length];
  while (start < end && piece[start] === SPACE) start++;
  while (start < end && piece[end - 1] === SPACE) end--;
  return piece.subarray(start, end);
}
