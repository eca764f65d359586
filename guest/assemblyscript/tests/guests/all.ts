// A guest that does what it is told, for the tests.
import { Bytes, Message, config, count, log, now, random, refuse } from "as-wappa";

let greeting = "";

export function configure(): void {
  if (config.get("refuse") !== null) refuse("I do not want to");
  if (config.get("throw") !== null) throw new Error("I cannot");
  greeting = config.getOr("greeting", "hello");
}

export function close(): void {
  log.info("closed");
}

export function process(message: Message): void {
  const text = message.text;
  message.metadata.set("changed", "yes");
  if (text == "throw") throw new RangeError("thrown: é");
  if (text == "deep") deep(100);
  if (text == "assert") assert(text == "good", "not good");
  if (text == "index") message.metadata.setInteger("byte", message.content[message.length + text.charCodeAt(0)]);
  if (text == "null") message.text = maybe(text)!;
  if (text == "nothing") throw new Error();
  if (text == "refuse") refuse("no line for this");
  if (text == "fail") message.fail("failed, and went on");
  if (text == "trap") unreachable();
  if (text == "filter") message.filter();
  if (text == "emit") {
    message.text = "first";
    message.emit();
    message.text = "second";
    message.metadata.delete("changed");
  }
  if (text == "hello") message.text = greeting + " " + message.index.toString() + "/" + message.batchLength.toString();
}

function maybe(text: string): string | null {
  return text == "null" ? null : text;
}

function deep(n: i32): string {
  const kept = n.toString();
  if (n == 0) throw new Error("from below");
  return kept + deep(n - 1);
}

export function metadata(message: Message): void {
  const metadata = message.metadata;
  assert(metadata.get("n")! == "3" && metadata.getJson("n")! == "3");
  assert(metadata.getJson("k")! == '"vé🦀"' && metadata.get("k")! == "vé🦀");
  assert(metadata.get("missing") === null && metadata.getJson("missing") === null);
  assert(!metadata.has("missing") && metadata.has("empty") && metadata.get("empty")! == "");
  assert(metadata.getBytes("raw")!.length == 2 && metadata.getBytes("raw")![0] == 0xff);
  assert(metadata.get("long")!.length == 5000);
  const bytes = new Bytes();
  assert(metadata.read("k", bytes) && bytes.length == 7 && !metadata.read("missing", bytes));
  assert(metadata.keys().join(" ") == "empty k long n raw");
  assert(metadata.delete("empty") && !metadata.delete("empty"));
  metadata.set("text", "tö");
  metadata.setBytes("bytes", message.content);
  metadata.setInteger("integer", i64.MIN_VALUE);
  metadata.setFloat("float", 1.5);
  metadata.setBool("bool", true);
  metadata.setJson("json", '{"a":[1]}');
  metadata.write("written", bytes.clear().addText("x").addByte(0x79));
  // Half of a surrogate pair is no letter.
  metadata.set(String.fromCharCode(0xd800), "half");
  if (message.error !== null) {
    metadata.set("error", message.error!);
    message.clearError();
  }
}

export function surroundings(message: Message): void {
  log.trace("trace");
  log.debug("debug");
  log.warn("warn");
  console.log("console");
  console.error("console's error");
  trace("traced", 2, 1.5, 2);
  count("seen");
  count("seen", 2);
  message.metadata.setInteger("now", now());
  message.metadata.setFloat("date", <f64>Date.now());
  const bytes = random(64);
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += bytes[i];
  assert(0 < sum);
  const number = Math.random();
  assert(0 <= number && number < 1);
  if (message.length > 0) count("a name");
}

const content = new Bytes();

export function bytes(message: Message): void {
  message.read(content);
  content.addPart(content, 0, content.length).addText("é").add(message.content);
  content[0] = 0x78;
  message.write(content);
}
