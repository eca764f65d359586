// Route reads and writes metadata, and leaves the content alone.

import { count, log, type Message, type Value } from "wappa-guest";

let routes: ReadonlyMap<string, string> = new Map();

export function configure(config: ReadonlyMap<string, string>): void {
  routes = config;
}

export function process(message: Message): void {
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

/** The config for the message's kind, else the default. */
function routeOf(kind: Value | undefined): string {
  const own = kind === undefined ? undefined : routes.get(`route.${String(kind)}`);
  return own ?? routes.get("default") ?? "none";
}
