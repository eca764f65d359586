## Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
## The content is never read, and so never copied.
import std/[options, strutils]
import wappa

let default = config("default").get("none")

proc routeOf(message: Message): string =
  let kind = message.meta("kind")
  if kind.isSome: config("route." & kind.get).get(default) else: default

guest:
  let
    route = routeOf(message)
    keys = message.metaKeys.join(",")

  message.setMeta("route", route)
  message.setMeta("keys", keys)
  message.setMeta("position", $message.index & "/" & $message.batchLen)
  message.deleteMeta("secret")
  let mark = message.error
  if mark.isSome:
    message.setMeta("last_error", mark.get)
    message.clearError()

  count("routed")
  log(debug, "routed to " & route)
