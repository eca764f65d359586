## Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
## text `***`. What is not a JSON object fails.
##
## `std/json` takes more than JSON (`01`, comments, bytes that are no text), so the object is checked and copied here, in
## one walk without recursion: its depth is bounded by memory alone, and what is not replaced stays as it was written.
import std/[options, strutils, unicode]
import wappa

let fields = config("fields").get("password,email").split(',')

type
  NoJson = object of CatchableError
  Walk = object
    text: string
    at: int

proc no() {.noreturn.} = raise newException(NoJson, "not a JSON object")

proc letter(w: Walk): char =
  ## NUL, which is nowhere in JSON, behind the end.
  if w.at < w.text.len: w.text[w.at] else: '\0'

proc skipSpace(w: var Walk) =
  while w.letter in {' ', '\n', '\r', '\t'}: inc w.at

proc skip(w: var Walk, expected: char) =
  if w.letter != expected: no()
  inc w.at

proc skipDigits(w: var Walk) =
  if w.letter notin Digits: no()
  while w.letter in Digits: inc w.at

proc hexUnit(w: var Walk): int =
  for _ in 1 .. 4:
    if w.letter notin HexDigits: no()
    result = result shl 4 or parseHexInt($w.letter)
    inc w.at

proc skipString(w: var Walk, meaning: ptr string = nil) =
  ## A string, and what it means where that is asked for.
  template mean(it: untyped) =
    if meaning != nil: meaning[].add it
  w.skip '"'
  while w.letter != '"':
    let letter = w.letter
    if letter < ' ': no()
    inc w.at
    if letter != '\\':
      mean letter
      continue
    let escape = w.letter
    inc w.at
    case escape
    of '"', '\\', '/': mean escape
    of 'b': mean '\b'
    of 'f': mean '\f'
    of 'n': mean '\n'
    of 'r': mean '\r'
    of 't': mean '\t'
    of 'u':
      var unit = w.hexUnit
      if unit in 0xd800 .. 0xdbff and w.text.continuesWith("\\u", w.at):
        let before = w.at
        w.at += 2
        let second = w.hexUnit
        if second in 0xdc00 .. 0xdfff:
          unit = 0x10000 + (unit - 0xd800) shl 10 + (second - 0xdc00)
        else:
          w.at = before
      mean Rune(unit).toUTF8
    else: no()
  inc w.at

proc skipScalar(w: var Walk) =
  ## A value that is no list and no object.
  if w.letter == '"':
    w.skipString
    return
  for word in ["true", "false", "null"]:
    if w.text.continuesWith(word, w.at):
      w.at += word.len
      return
  if w.letter == '-': inc w.at
  if w.letter == '0': inc w.at else: w.skipDigits
  if w.letter == '.':
    inc w.at
    w.skipDigits
  if w.letter in {'e', 'E'}:
    inc w.at
    if w.letter in {'+', '-'}: inc w.at
    w.skipDigits

proc closing(opening: char): char = (if opening == '{': '}' else: ']')

proc redacted(text: sink string): string =
  if text.validateUtf8 != -1: no()
  var
    w = Walk(text: text)
    open = newStringOfCap(32) # The brackets that are open.
    name = ""
    copied = 0
    maskedAt = 0 # How many brackets were open when the value began that is masked; 0 when none is.
  w.skipSpace
  if w.letter != '{': no()
  while true:
    # A value begins here.
    let first = w.letter
    var isClosed = true
    if first in {'{', '['}:
      inc w.at
      w.skipSpace
      isClosed = w.letter == closing(first)
      if isClosed: inc w.at else: open.add first
    else:
      w.skipScalar
    # A value ended here, and maybe those around it.
    while isClosed:
      if 0 < maskedAt and maskedAt == open.len:
        copied = w.at
        maskedAt = 0
      if open.len == 0: break
      w.skipSpace
      if w.letter == ',':
        inc w.at
        w.skipSpace
        break
      w.skip closing(open[^1])
      open.setLen(open.len - 1)
    if open.len == 0: break
    # A member begins with its name.
    if open[^1] == '{':
      name.setLen(0)
      w.skipString(addr name)
      w.skipSpace
      w.skip ':'
      w.skipSpace
      if maskedAt == 0 and name.len > 0 and name in fields:
        result.add w.text.substr(copied, w.at - 1)
        result.add "\"***\""
        maskedAt = open.len
  w.skipSpace
  if w.at != w.text.len: no()
  result.add w.text.substr(copied)

guest:
  try:
    message.content = redacted(message.content)
  except NoJson as e:
    message.fail(e.msg)
