// Louder appends three exclamation marks to the content, which may be any bytes.

import type { Message } from "wappa-guest";

const MARK = new Uint8Array([0x21, 0x21, 0x21]);

export function process(message: Message): void {
  const { content } = message;
  const louder = new Uint8Array(content.length + MARK.length);
  louder.set(content);
  louder.set(MARK, content.length);
  message.content = louder;
}
