// A guest that greets the people whose names come as messages.
import { Message, config, count } from "as-wappa";

let greeting = "hello";

export function configure(): void {
  greeting = config.getOr("greeting", greeting);
}

/** Works on one message. */
export function process(message: Message): void {
  const name = message.text;
  if (name.length == 0) {
    message.filter();
    return;
  }
  message.text = greeting + ", " + name + "!";
  message.metadata.setBool("greeted", true);
  count("greeted");
}
