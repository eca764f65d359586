// Redact masks members of a JSON object, at any depth: those that the config `fields` names.

import { Failure, type Message } from "wappa-guest";

const MASK = "***";

let fields = new Set<string>();

export function configure(config: ReadonlyMap<string, string>): void {
  const names = config.get("fields") ?? "password,email";
  // A config without names has none, rather than one that is empty.
  fields = new Set(names.split(",").filter((it) => it !== ""));
}

export function process(message: Message): void {
  const object = objectIn(message);
  mask(object);
  message.setJson(object);
}

function objectIn(message: Message): Record<string, unknown> {
  let value: unknown;
  try {
    value = message.json();
  } catch {
    value = null;
  }
  if (!isContainer(value) || Array.isArray(value)) throw new Failure("not a JSON object");
  return value;
}

function mask(value: unknown): void {
  if (!isContainer(value)) return;
  for (const key of Object.keys(value)) {
    if (!Array.isArray(value) && fields.has(key)) value[key] = MASK;
    else mask(value[key]);
  }
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
