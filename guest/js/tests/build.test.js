// The command that makes components, where what it needs is installed.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "../src/build.js";

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));
const isThere = ["esbuild", "componentize-qjs"].every((it) => existsSync(path.join(MODULES, it, "package.json")));
const options = { skip: isThere ? false : "esbuild and componentize-qjs are not installed" };

const directory = mkdtempSync(path.join(os.tmpdir(), "wappa-guest-test-"));
after(() => rmSync(directory, { recursive: true, force: true }));

function write(name, text) {
  const file = path.join(directory, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Why it is not built. */
async function refusal(name, text, more = {}) {
  if (text !== undefined) write(name, text);
  try {
    await build({ entry: name, out: "refused.wasm", directory, ...more });
  } catch (err) {
    return err.message;
  }
  return "it was built";
}

test("packages and TypeScript are bundled", options, async () => {
  write("node_modules/shout/package.json", '{"name": "shout", "main": "main.js"}');
  write("node_modules/shout/main.js", "exports.shout = (text) => text.toUpperCase();");
  write("marks.ts", 'export const mark: string = "!";');
  write(
    "guest.ts",
    `import { log, type Message } from "wappa-guest";
     import { shout } from "shout";
     import { mark } from "./marks";
     export function process(message: Message): void {
       log.info("shouting");
       message.text = shout(message.text) + mark;
     }`,
  );
  const bytes = await build({ entry: "guest.ts", out: "made/guest.wasm", directory });
  const component = readFileSync(path.join(directory, "made/guest.wasm"));
  assert.equal(component.length, bytes);
  // The preamble of a component.
  assert.deepEqual([...component.subarray(0, 8)], [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]);
});

const starling = existsSync(path.join(MODULES, "@bytecodealliance/componentize-js/package.json"));

test("what needs a host while it is built is told", { skip: !isThere || !starling }, async () => {
  const told = await refusal("early.js", "const at = Math.random(); export function process() { return at; }", {
    engine: "starlingmonkey",
  });
  assert.match(
    told,
    /^the guest's module calls `get-random-u64` of wasi:random\/random@.* where it begins, and there is no host/,
  );
});

test("mistakes are told before anything is built", options, async () => {
  const told = [
    await refusal("missing.js"),
    await refusal("nothing.js", "export const x = 1;"),
    await refusal("async.js", "export async function process() {}"),
    await refusal("constant.js", "export const process = 1;"),
    await refusal("syntax.js", "export function process( {"),
    await refusal("node.js", 'import fs from "node:fs"; export function process() { fs.readFileSync("x"); }'),
    await refusal("unknown.js", 'import x from "unknown-package"; export function process() { x(); }'),
    await refusal("throws.js", 'throw new RangeError("too early"); export function process() {}'),
    await refusal("engine.js", "export function process() {}", { engine: "v8" }),
  ];
  const asynchronous = "is asynchronous, and a guest is called synchronously: there is nothing that it could wait for";
  assert.deepEqual(told, [
    "missing.js: there is no such file",
    "the guest exports no function `process`: `export function process(…) { … }`",
    `\`process\` ${asynchronous}`,
    "the guest exports something that is no function as `process`: `export function process(…) { … }`",
    "syntax.js:1:27: Expected identifier but found end of file",
    "node.js:1:16: `node:fs` is not there: a guest has no Node.js around it",
    'unknown.js:1:15: Could not resolve "unknown-package"',
    "running the guest's module for the first time: RangeError: too early",
    "there is no engine `v8`: quickjs or starlingmonkey",
  ]);
  assert.ok(!existsSync(path.join(directory, "refused.wasm")));
});
