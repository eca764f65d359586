## Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with its
## number in the metadata `split_index`.
import std/[options, strutils]
import wappa

let separator = config("separator").get(",")
if separator.len == 0: refuse "the config `separator` is empty: give it at least one letter"

guest:
  var sent = 0
  for it in message.content.split(separator):
    let piece = it.strip(chars = {' '})
    if piece.len == 0: continue
    # A piece is sent once the next one is found: the last one is the message itself.
    if sent > 0: message.emit()
    message.content = piece
    message.setMetaJson("split_index", $sent)
    inc sent
  if sent == 0: message.filter()
