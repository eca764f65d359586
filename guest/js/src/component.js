/**
 * The side of the SDK that is in the component: the imports of the world, and what an engine lacks.
 *
 * What the guest's own modules are is said by the command that builds it: see `build.js`.
 */

import { log } from "wappa:processor/log@1.0.0";
import { counterAdd } from "wappa:processor/metrics@1.0.0";

import { host } from "./host.js";
import { lines } from "./lines.js";
import { provideTextCoders, wellFormed } from "./text.js";

export { transformOf } from "./transform.js";

/** StarlingMonkey wants a big integer where the world has 64 bits, QuickJS traps at one. */
const hasNumbers = globalThis.navigator?.userAgent === undefined && typeof globalThis.fetch === "undefined";

host.log = log;
host.count = (name, delta) => counterAdd(name, hasNumbers ? delta : BigInt(delta));
host.placeOf = (frame) => lines.placeOf(frame);
provideTextCoders();
provideConsole();

/** The console is the log of the stream. */
function provideConsole() {
  const told = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const line =
    (level) =>
    (...values) =>
      log(level, wellFormed(values.map(told).join(" ")));
  globalThis.console = {
    ...globalThis.console,
    trace: line("trace"),
    debug: line("debug"),
    log: line("info"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
}
