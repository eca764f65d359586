// Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`. The
// content is never read, and so never copied.
import { Message, config, count, log } from "as-wappa";

export function process(message: Message): void {
  const metadata = message.metadata;
  const route = routeOf(metadata.get("kind"));
  const keys = metadata.keys().join(",");
  const position = message.index.toString() + "/" + message.batchLength.toString();

  metadata.set("route", route);
  metadata.set("keys", keys);
  metadata.set("position", position);
  metadata.delete("secret");
  const error = message.error;
  if (error !== null) {
    metadata.set("last_error", error);
    message.clearError();
  }

  count("routed");
  log.debug("routed to " + route);
}

function routeOf(kind: string | null): string {
  if (kind !== null) {
    const route = config.get("route." + kind);
    if (route !== null) return route;
  }
  return config.getOr("default", "none");
}
