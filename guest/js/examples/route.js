// Route reads and writes metadata, and leaves the content alone.

import { count, log } from "wappa-guest";

/** @type {ReadonlyMap<string, string>} */
let routes = new Map();

/** @type {import("wappa-guest").Configure} */
export function configure(config) {
  routes = config;
}

/** @type {import("wappa-guest").Process} */
export function process(message) {
  const { metadata } = message;
  const keys = metadata.keys();
  const route = routeOf(metadata.get("kind"));

  metadata.set("route", route);
  metadata.set("keys", keys.join(","));
  metadata.set("position", `${message.index}/${message.batchLength}`);
  metadata.delete("secret");
  const { error } = message;
  if (error !== undefined) {
    metadata.set("last_error", error);
    message.clearError();
  }

  count("routed");
  log.debug(`routed to ${route}`);
}

/** The config for the message's kind, else the default. @param {unknown} kind */
function routeOf(kind) {
  const own = kind === undefined ? undefined : routes.get(`route.${String(kind)}`);
  return own ?? routes.get("default") ?? "none";
}
