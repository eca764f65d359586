#!/usr/bin/env node
import { parseArgs } from "node:util";

import { BuildError, ENGINES, build, version } from "../src/build.js";

const USAGE = `usage: wappa-guest build ENTRY -o FILE [--engine ${Object.keys(ENGINES).join("|")}]

Makes a WebAssembly component of a module in JavaScript or TypeScript that exports a function \`process\`. The module
and all that it imports are bundled. QuickJS makes small components within a second; StarlingMonkey has more of the
web's interfaces, and compiles hot code no faster.`;

async function main(args) {
  const options = {
    out: { type: "string", short: "o" },
    engine: { type: "string", default: "quickjs" },
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
  };
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  if (values.help) return console.log(USAGE);
  if (values.version) return console.log(await version());
  const [command, entry, ...rest] = positionals;
  if (command !== "build" || entry === undefined || rest.length > 0 || values.out === undefined) {
    throw new BuildError(USAGE);
  }
  await build({ entry, out: values.out, engine: values.engine });
}

try {
  await main(process.argv.slice(2));
} catch (err) {
  // What is wrong with this program shows where.
  const isTold = err instanceof BuildError || String(err.code).startsWith("ERR_PARSE_ARGS");
  console.error(isTold ? err.message : err);
  process.exitCode = isTold && err.message === USAGE ? 2 : 1;
}
