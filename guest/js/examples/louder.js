// Louder appends three exclamation marks to the content, which may be any bytes.

const MARK = new Uint8Array([0x21, 0x21, 0x21]);

/** @type {import("wappa-guest").Process} */
export function process(message) {
  const { content } = message;
  const louder = new Uint8Array(content.length + MARK.length);
  louder.set(content);
  louder.set(MARK, content.length);
  message.content = louder;
}
