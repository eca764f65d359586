// Appends `!!!` to the content, which may be any bytes.
import { Bytes, Message } from "as-wappa";

const content = new Bytes();

export function process(message: Message): void {
  message.write(message.read(content).addText("!!!"));
}
