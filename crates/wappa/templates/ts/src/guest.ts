// A guest that greets the people whose names come as messages.

import { count, type Message } from "wappa-guest";

let greeting = "hello";

export function configure(config: ReadonlyMap<string, string>): void {
  greeting = config.get("greeting") ?? greeting;
}

/** Works on one message. */
export function process(message: Message): void {
  const name = message.text;
  if (name === "") return message.filter();
  message.text = `${greeting}, ${name}!`;
  message.metadata.set("greeted", true);
  count("greeted");
}
