// Redact masks members of a JSON object, at any depth: those that the config `fields` names.

import { Failure } from "wappa-guest";

const MASK = "***";

/** @type {Set<string>} */
let fields = new Set();

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  const names = config.get("fields") ?? "password,email";
  // A config without names has none, rather than one that is empty.
  fields = new Set(names.split(",").filter((it) => it !== ""));
}

/** @type {import("wappa-guest").Process} */
export function process(message) {
  const object = objectIn(message);
  mask(object);
  message.setJson(object);
}

/** @param {import("wappa-guest").Message} message */
function objectIn(message) {
  let value;
  try {
    value = message.json();
  } catch {
    value = null;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Failure("not a JSON object");
  return value;
}

/** @param {any} value */
function mask(value) {
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    if (!Array.isArray(value) && fields.has(key)) value[key] = MASK;
    else mask(value[key]);
  }
}
