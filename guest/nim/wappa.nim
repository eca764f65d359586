## All that a guest in Nim needs: the functions of the host (interface v1), and little around them. Copy this file.
##
## .. code-block:: nim
##   import wappa
##
##   guest:
##     if message.contentLen == 0: fail "nothing to shout"
##     message.content = message.content & "!"
##
## What stands under `guest` is done for each message. An exception there fails its message with its text and its line;
## an index out of bounds, an overflow and a failed `assert` are exceptions as well.

import std/[importutils, macros, options]

macro imported(name: static string, function: untyped): untyped =
  ## A function of the host, as C declares it.
  let declaration = "__attribute__((import_module(\"wappa\"), import_name(\"" & name & "\"))) $1 $2$3"
  result = function
  result.addPragma(ident"importc")
  result.addPragma(nnkExprColonExpr.newTree(ident"codegenDecl", newLit(declaration)))
  result.addPragma(nnkExprColonExpr.newTree(ident"raises", newTree(nnkBracket)))

proc v1ContentLen(): int32 {.imported: "v1_content_len".}
proc v1ContentRead(offset: int32, at: pointer, room: int): int32 {.imported: "v1_content_read".}
proc v1ContentWrite(at: pointer, len: int) {.imported: "v1_content_write".}
proc v1MetaGet(key: pointer, keyLen: int, at: pointer, room: int): int32 {.imported: "v1_meta_get".}
proc v1MetaGetJson(key: pointer, keyLen: int, at: pointer, room: int): int32 {.imported: "v1_meta_get_json".}
proc v1MetaSet(key: pointer, keyLen: int, at: pointer, len: int) {.imported: "v1_meta_set".}
proc v1MetaSetJson(key: pointer, keyLen: int, at: pointer, len: int) {.imported: "v1_meta_set_json".}
proc v1MetaDelete(key: pointer, keyLen: int): int32 {.imported: "v1_meta_delete".}
proc v1MetaKeys(at: pointer, room: int): int32 {.imported: "v1_meta_keys".}
proc v1ErrorGet(at: pointer, room: int): int32 {.imported: "v1_error_get".}
proc v1ErrorClear() {.imported: "v1_error_clear".}
proc v1Emit() {.imported: "v1_emit".}
proc v1Filter() {.imported: "v1_filter".}
proc v1Fail(at: pointer, len: int) {.imported: "v1_fail".}
proc v1Next(): int32 {.imported: "v1_next".}
proc v1BatchIndex(): int32 {.imported: "v1_batch_index".}
proc v1BatchLen(): int32 {.imported: "v1_batch_len".}
proc v1ConfigGet(key: pointer, keyLen: int, at: pointer, room: int): int32 {.imported: "v1_config_get".}
proc v1Log(level: int32, at: pointer, len: int) {.imported: "v1_log".}
proc v1CounterAdd(name: pointer, len: int, delta: int64) {.imported: "v1_counter_add".}
proc v1Now(): int64 {.imported: "v1_now".}
proc v1Random(at: pointer, len: int) {.imported: "v1_random".}

type
  Message* = object ## The message that the host is at.
  Level* = enum ## Of a line in the log.
    trace, debug, info, warn, error

func address(text: string): pointer {.inline.} =
  if text.len == 0: nil else: unsafeAddr text[0]

template whole(known: int, read: untyped): Option[string] =
  ## What is read `at` a place with some `room`, in two calls where it is longer: the first one says how long it is.
  block:
    var text = newString(known)
    var (at {.inject.}, room {.inject.}) = (address(text), text.len)
    var len = read.int
    if room < len:
      text.setLen(len)
      (at, room) = (address(text), text.len)
      len = read.int
    if len < 0:
      none(string)
    else:
      text.setLen(len)
      some(text)

proc contentLen*(m: Message): int = v1ContentLen()
proc content*(m: Message): string =
  ## Any bytes. What is never read is never copied.
  result = newString(v1ContentLen())
  discard v1ContentRead(0, address(result), result.len)
proc `content=`*(m: Message, bytes: string) = v1ContentWrite(address(bytes), bytes.len)

proc meta*(m: Message, key: string): Option[string] =
  ## The value as text.
  whole(64): v1MetaGet(address(key), key.len, at, room)
proc metaJson*(m: Message, key: string): Option[string] =
  ## The value with its type: `5` is a number, `"5"` a text.
  whole(64): v1MetaGetJson(address(key), key.len, at, room)
proc setMeta*(m: Message, key, value: string) = v1MetaSet(address(key), key.len, address(value), value.len)
proc setMetaJson*(m: Message, key, json: string) = v1MetaSetJson(address(key), key.len, address(json), json.len)
proc deleteMeta*(m: Message, key: string): bool {.discardable.} = v1MetaDelete(address(key), key.len) == 1
proc metaKeys*(m: Message): seq[string] =
  ## In order.
  let packed = whole(256, v1MetaKeys(at, room)).get
  var at = 0
  while at < packed.len:
    # Each is a length of four bytes, the lowest first, and its letters.
    let len = packed[at].int or packed[at + 1].int shl 8 or packed[at + 2].int shl 16 or packed[at + 3].int shl 24
    result.add packed[at + 4 ..< at + 4 + len]
    at += 4 + len

proc error*(m: Message): Option[string] =
  ## The mark of a message that failed before.
  whole(64): v1ErrorGet(at, room)
proc clearError*(m: Message) = v1ErrorClear()
proc emit*(m: Message) =
  ## Sends the message as it stands, and goes on with a copy.
  v1Emit()
proc filter*(m: Message) =
  ## The message is not sent.
  v1Filter()
proc fail*(m: Message, reason: string) =
  ## The message goes on as it came in, with this reason alone.
  v1Fail(address(reason), reason.len)
proc index*(m: Message): int = v1BatchIndex()
proc batchLen*(m: Message): int = v1BatchLen()

proc config*(key: string): Option[string] =
  whole(64): v1ConfigGet(address(key), key.len, at, room)
proc log*(level: Level, text: string) = v1Log(level.ord.int32, address(text), text.len)
proc count*(name: string, n = 1) = v1CounterAdd(address(name), name.len, n)
proc now*(): int64 =
  ## Nanoseconds since 1970.
  v1Now()
proc random*(len: Natural): string =
  result = newString(len)
  v1Random(address(result), len)

proc refuse*(reason: string) {.noreturn.} =
  ## Outside of `guest`: the stream does not start, and says why.
  log(error, reason)
  quit 1

proc reason(e: ref Exception, file: string): string =
  ## The text of an exception, and the line of this file that it came from.
  result = newStringOfCap(e.msg.len + file.len + 16)
  result.add e.msg
  # What `getStackTraceEntries` would copy.
  privateAccess(Exception)
  for at in countdown(e.trace.high, 0):
    if e.trace[at].filename == file:
      result.add ", at "
      result.add file
      result.add ':'
      result.addInt e.trace[at].line
      return

proc nimMain() {.importc: "NimMain", cdecl.}

proc onMessages*(handle: proc (m: Message) {.nimcall.}, file: string) =
  ## Takes all messages that are ready through the function of this file.
  let m = Message()
  while true:
    try: handle(m)
    except Exception as e: m.fail(e.reason(file))
    if v1Next() != 1: break

template guest*(body: untyped) =
  ## What is done for each `message`. What stands outside is done once, before the first one.
  proc handle(message {.inject.}: Message) {.nimcall.} = body
  proc process() {.exportc: "wappa_process", codegenDecl: "__attribute__((export_name(\"process\"))) $1 $2$3".} =
    onMessages(handle, instantiationInfo().filename)

proc initialize(): int32 {.exportc: "wappa_initialize",
    codegenDecl: "__attribute__((export_name(\"wappa_init\"))) $1 $2$3".} =
  nimMain()

# What goes wrong outside of `guest`. Nothing that may raise goes on here: it would be left at once.
unhandledExceptionHook = proc (e: ref Exception) {.nimcall, raises: [].} =
  v1Log(error.ord, e.msg.cstring, e.msg.len)
