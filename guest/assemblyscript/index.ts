// What a guest imports: `import { Message } from "as-wappa"`.
export { Bytes } from "./assembly/bytes";
export { config, count, log, now, random } from "./assembly/surroundings";
export { Message, Metadata } from "./assembly/message";
export { refuse } from "./assembly/serve";
