// Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the text
// `***`. What is not a JSON object fails.
//
// The JSON is checked and copied in one walk without recursion, so that its depth is bounded by memory alone. All that is not
// replaced stays as it was written.
import { Bytes, Message, config } from "as-wappa";

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const ZERO: u8 = 0x30;
const COLON: u8 = 0x3a;
const BACKSLASH: u8 = 0x5c;
const LIST: u8 = 0x5b;
const LIST_END: u8 = 0x5d;
const OBJECT: u8 = 0x7b;
const OBJECT_END: u8 = 0x7d;

const fields: Bytes[] = [];
const content = new Bytes();
const output = new Bytes();
/** The brackets that are open. */
const open = new Bytes();
/** The text that was read last. */
const text = new Bytes();
/** What is looked at next. */
let at = 0;

export function configure(): void {
  const names = config.getOr("fields", "password,email").split(",");
  for (let i = 0; i < names.length; i++) {
    if (names[i].length > 0) fields.push(new Bytes().addText(names[i]));
  }
}

export function process(message: Message): void {
  // A NUL at the end is part of no JSON, so the walk stops there.
  message.read(content).addByte(0);
  if (content.isUtf8() && redactObject()) message.write(output);
  else message.fail("not a JSON object");
}

/** Copies the object to the output; false when it is none. */
function redactObject(): bool {
  const end = content.length - 1;
  let copied = 0;
  // How many brackets were open when the value began that is masked; 0 when none is.
  let masked = 0;
  open.clear();
  output.clear();
  at = 0;
  skipSpace();
  if (content[at] != OBJECT) return false;
  do {
    // A value begins here.
    const first = content[at];
    let isClosed = true;
    if (first == OBJECT || first == LIST) {
      at++;
      skipSpace();
      isClosed = content[at] == closing(first);
      if (isClosed) at++;
      else open.addByte(first);
    } else if (!skipScalar()) {
      return false;
    }
    // A value ended here, and maybe those around it.
    while (isClosed) {
      if (masked == open.length) {
        if (0 < masked) copied = at;
        masked = 0;
      }
      if (open.length == 0) break;
      skipSpace();
      if (content[at] == COMMA) {
        at++;
        skipSpace();
        break;
      }
      if (content[at] != closing(open[open.length - 1])) return false;
      at++;
      open.resize(open.length - 1);
    }
    // A member begins with its name.
    if (0 < open.length && open[open.length - 1] == OBJECT) {
      if (!readString()) return false;
      skipSpace();
      if (content[at] != COLON) return false;
      at++;
      skipSpace();
      if (masked == 0 && isMasked()) {
        output.addPart(content, copied, at).addText('"***"');
        masked = open.length;
      }
    }
  } while (0 < open.length);
  skipSpace();
  output.addPart(content, copied, at);
  return at == end;
}

function closing(bracket: u8): u8 {
  return bracket == OBJECT ? OBJECT_END : LIST_END;
}

function isMasked(): bool {
  for (let i = 0; i < fields.length; i++) {
    if (fields[i].equals(text)) return true;
  }
  return false;
}

function skipSpace(): void {
  while (content[at] == SPACE || content[at] == 0x0a || content[at] == 0x0d || content[at] == 0x09) at++;
}

function skipScalar(): bool {
  switch (content[at]) {
    case QUOTE:
      return readString();
    case 0x74:
      return skipWord("true");
    case 0x66:
      return skipWord("false");
    case 0x6e:
      return skipWord("null");
    default:
      return skipNumber();
  }
}

function skipWord(word: string): bool {
  for (let i = 0; i < word.length; i++) {
    if (content[at] != <u8>word.charCodeAt(i)) return false;
    at++;
  }
  return true;
}

function isDigit(): bool {
  const byte = content[at];
  return ZERO <= byte && byte <= ZERO + 9;
}

function skipDigits(): bool {
  if (!isDigit()) return false;
  while (isDigit()) at++;
  return true;
}

function skipNumber(): bool {
  if (content[at] == MINUS) at++;
  if (content[at] == ZERO) at++;
  else if (!skipDigits()) return false;
  if (content[at] == 0x2e) {
    at++;
    if (!skipDigits()) return false;
  }
  if ((content[at] | 0x20) == 0x65) {
    at++;
    if (content[at] == 0x2b || content[at] == MINUS) at++;
    if (!skipDigits()) return false;
  }
  return true;
}

/** Reads a string, and what it means. That it is UTF-8 was looked at before. */
function readString(): bool {
  text.clear();
  if (content[at] != QUOTE) return false;
  at++;
  while (content[at] != QUOTE) {
    const start = at;
    while (content[at] != QUOTE && content[at] != BACKSLASH && SPACE <= content[at]) at++;
    text.addPart(content, start, at);
    if (content[at] == BACKSLASH) {
      at++;
      if (!readEscape()) return false;
    } else if (content[at] != QUOTE) {
      return false;
    }
  }
  at++;
  return true;
}

function readEscape(): bool {
  const letter = content[at++];
  switch (letter) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
      text.addByte(letter);
      return true;
    case 0x62:
      text.addByte(0x08);
      return true;
    case 0x66:
      text.addByte(0x0c);
      return true;
    case 0x6e:
      text.addByte(0x0a);
      return true;
    case 0x72:
      text.addByte(0x0d);
      return true;
    case 0x74:
      text.addByte(0x09);
      return true;
    case 0x75:
      return readUnit();
    default:
      return false;
  }
}

/** Reads what follows `\u`, and the second half of a pair. */
function readUnit(): bool {
  const unit = readHex();
  if (unit < 0) return false;
  let letter = unit;
  if (0xd800 <= unit && unit < 0xdc00 && content[at] == BACKSLASH && content[at + 1] == 0x75) {
    const before = at;
    at += 2;
    const second = readHex();
    if (second < 0) return false;
    if (0xdc00 <= second && second < 0xe000) letter = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
    else at = before;
  }
  text.addText(String.fromCodePoint(letter));
  return true;
}

/** Four digits, or -1. */
function readHex(): i32 {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = <i32>content[at];
    const lower = byte | 0x20;
    if (0x30 <= byte && byte <= 0x39) value = value * 16 + byte - 0x30;
    else if (0x61 <= lower && lower <= 0x66) value = value * 16 + lower - 0x57;
    else return -1;
    at++;
  }
  return value;
}
