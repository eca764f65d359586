// Leaves out messages that were seen before, by the metadata that the config `key` names, or by the content; the last
// `window` of them are remembered (1000 where the config has none).
//
// An instance remembers by itself: with several threads there are several. Where that is too little, the processor
// `dedupe` with a cache is for all threads, and for all processes.
let key;
let window;
const seen = new Set();

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  key = config.get("key");
  window = Number(config.get("window") ?? 1000);
  if (!Number.isInteger(window) || window < 1) throw new Error("the config `window` is a whole number, 1 at least");
  seen.clear();
}

/** @type {import("wappa-guest").Process} */
export function process(message) {
  const id = key === undefined ? message.text : message.metadata.get(key);
  if (id === undefined) return message.fail(`there is no metadata \`${key}\``);
  const name = typeof id === "string" ? id : JSON.stringify(id);
  if (seen.has(name)) return message.filter();
  seen.add(name);
  if (window < seen.size) {
    // A set keeps the order in which things came.
    const [oldest] = seen;
    seen.delete(oldest);
  }
}
