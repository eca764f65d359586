import { asynchronous, reasonOf, refuseResult } from "./failure.js";
import { host } from "./host.js";
import { Message } from "./message.js";

/**
 * What the component exports, from what the guest's module exports.
 *
 * @param {{ configure?: Function, process?: Function }} guest
 */
export function transformOf(guest) {
  const { configure, process } = guest;
  check(guest);
  const message = new Message();

  return {
    configure(pairs) {
      host.begin();
      if (configure === undefined) return;
      try {
        refuseResult("configure", configure(new Map(pairs)));
      } catch (thrown) {
        throw reasonOf(thrown);
      }
    },

    process(batch) {
      const dispositions = message.serve(batch, process);
      // An engine that collects handles late would keep them all.
      batch[Symbol.dispose]?.();
      return dispositions;
    },
  };
}

/** What is wrong with a guest, said before it is built. */
export function check(guest) {
  for (const [name, isNeeded] of [
    ["process", true],
    ["configure", false],
  ]) {
    const value = guest[name];
    if (value === undefined && !isNeeded) continue;
    if (typeof value !== "function") {
      const what = value === undefined ? "exports no function" : "exports something that is no function as";
      throw new TypeError(`the guest ${what} \`${name}\`: \`export function ${name}(…) { … }\``);
    }
    // Nothing else could run until the promise is settled.
    const kind = Object.prototype.toString.call(value);
    if (/Async|Generator/.test(kind)) throw new TypeError(asynchronous(name));
  }
}
