// Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with its
// number in the metadata `split_index`.
import { Bytes, Message, config, refuse } from "as-wappa";

const SPACE: u8 = 0x20;
const content = new Bytes();
const separator = new Bytes();

export function configure(): void {
  separator.clear().addText(config.getOr("separator", ","));
  if (separator.length == 0) refuse("the config `separator` is empty: give it at least one letter");
}

export function process(message: Message): void {
  message.read(content);
  let sent = 0;
  let at = 0;
  while (at <= content.length) {
    const found = findSeparator(at);
    let start = at;
    let end = found;
    while (start < end && content[start] == SPACE) start++;
    while (start < end && content[end - 1] == SPACE) end--;
    if (start < end) {
      // A piece is sent once the next one is found: the last one is the message itself.
      if (0 < sent) message.emit();
      message.writePart(content, start, end);
      message.metadata.setInteger("split_index", sent++);
    }
    at = found + separator.length;
  }
  if (sent == 0) message.filter();
}

/** Where the separator begins, or the end. */
function findSeparator(from: i32): i32 {
  for (let at = from; at + separator.length <= content.length; at++) {
    let i = 0;
    while (i < separator.length && content[at + i] == separator[i]) i++;
    if (i == separator.length) return at;
  }
  return content.length;
}
