// Masks personal data by rules from the config: each key `mask.NAME` is a regular expression, and what it finds becomes
// `<NAME>`. What is masked is counted by name.
import { count } from "wappa-guest";

let rules = [];

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  rules = [];
  for (const [key, pattern] of config) {
    if (!key.startsWith("mask.")) continue;
    const name = key.slice("mask.".length);
    if (!/^\w{1,50}$/.test(name)) throw new Error(`${key}: a name has letters, digits and \`_\``);
    try {
      rules.push({ name, pattern: new RegExp(pattern, "gu") });
    } catch (error) {
      throw new Error(`${key}: ${error.message}`);
    }
  }
  if (rules.length === 0) throw new Error("the config has no rule: `mask.email: '\\S+@\\S+'` is one");
}

/** @type {import("wappa-guest").Process} */
export function process(message) {
  let { text } = message;
  let isChanged = false;
  for (const { name, pattern } of rules) {
    let found = 0;
    text = text.replace(pattern, () => {
      found += 1;
      return `<${name}>`;
    });
    if (found === 0) continue;
    isChanged = true;
    count(`masked_${name}`, found);
  }
  // What is as it was is not copied back.
  if (isChanged) message.text = text;
}
