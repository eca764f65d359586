import { reasonOf } from "./failure.js";
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
      if (configure === undefined) return;
      try {
        refuseResult("configure", configure(new Map(pairs)));
      } catch (thrown) {
        throw reasonOf(thrown);
      }
    },

    process(batch) {
      const length = batch.len();
      const dispositions = new Array(length);
      message.enter(batch, length);
      for (let index = 0; index < length; index++) {
        message.begin(index);
        try {
          const result = process(message);
          if (result !== undefined) refuseResult("process", result);
          dispositions[index] = message.finish();
        } catch (thrown) {
          dispositions[index] = { tag: "fail", val: reasonOf(thrown) };
        }
      }
      message.leave();
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

const asynchronous = (name) =>
  `\`${name}\` is asynchronous, and a guest is called synchronously: there is nothing that it could wait for`;

function refuseResult(name, result) {
  if (typeof result?.then === "function") throw new TypeError(asynchronous(name));
  // A function with an expression as its body gives something back that nobody meant.
}
