// A guest that greets the people whose names come as messages.

import { count } from "wappa-guest";

let greeting = "hello";

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  greeting = config.get("greeting") ?? greeting;
}

/** Works on one message. @type {import("wappa-guest").Process} */
export function process(message) {
  const name = message.text;
  if (name === "") return message.filter();
  message.text = `${greeting}, ${name}!`;
  message.metadata.set("greeted", true);
  count("greeted");
}
