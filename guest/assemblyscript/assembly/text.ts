// Between the strings of AssemblyScript, which are UTF-16, and the UTF-8 of the host, without garbage.

// So many bytes are compared at once.
// @ts-ignore: decorator
@inline const WORD: i32 = 8;
// @ts-ignore: decorator
@inline const NOT_ASCII: u64 = 0x8080808080808080;

// And so many units of UTF-16.
// @ts-ignore: decorator
@inline const UNITS: i32 = 4;
// @ts-ignore: decorator
@inline const NOT_ASCII_UNITS: u64 = 0xff80ff80ff80ff80;

// Between a text and its place in the source.
const AT: string = ", at ";
// A colon and the number of a line.
// @ts-ignore: decorator
@inline const PLACE_BYTES: i32 = 11;

/** Memory that is used for one thing after the other, and never given back. It begins with nothing: all of it zero. */
// @ts-ignore: decorator
@unmanaged
export class Scratch {
  at: usize;
  room: i32;
  /** How much of it is used. */
  length: i32;

  /** Makes room for so many bytes; what was there is lost. */
  reserve(size: i32): usize {
    if (this.room < size) {
      const room = max(size, max(64, this.room * 2));
      if (this.at) heap.free(this.at);
      // There is none where this fails.
      this.room = 0;
      this.at = 0;
      this.at = heap.alloc(room);
      this.room = room;
    }
    return this.at;
  }

  /** Puts a text there as UTF-8. What is no letter, half of a surrogate pair, becomes U+FFFD. */
  encode(text: string): void {
    this.reserve(text.length * 3);
    this.length = 0;
    this.append(text);
  }

  /** Puts a text there, and behind it the line of the source that it is about. */
  encodeWithPlace(text: string, file: string, line: u32): void {
    // No object is made for it: an exception is no reason to collect.
    this.reserve((text.length + AT.length + file.length) * 3 + PLACE_BYTES);
    this.length = 0;
    this.append(text);
    this.append(AT);
    this.append(file);
    store<u8>(this.at + this.length++, 0x3a);
    let end = this.length;
    for (let rest = line; ; rest /= 10) {
      end++;
      if (rest < 10) break;
    }
    this.length = end;
    for (let rest = line; ; rest /= 10) {
      store<u8>(this.at + --end, <u8>(0x30 + (rest % 10)));
      if (rest < 10) break;
    }
  }

  /** Puts a text behind what is there; there is room for it. */
  private append(text: string): void {
    const units = text.length;
    const at = this.at + this.length;
    const from = changetype<usize>(text);
    let ascii = 0;
    for (; ascii + UNITS <= units; ascii += UNITS) {
      let word = load<u64>(from + (<usize>ascii << 1));
      if (word & NOT_ASCII_UNITS) break;
      word = (word | (word >> 8)) & 0x0000ffff0000ffff;
      store<u32>(at + ascii, <u32>(word | (word >> 16)));
    }
    while (ascii < units) {
      const unit = <i32>load<u16>(from + (<usize>ascii << 1));
      if (0x7f < unit) break;
      store<u8>(at + ascii, <u8>unit);
      ascii++;
    }
    this.length += ascii;
    if (ascii == units) return;
    const rest = from + (<usize>ascii << 1);
    this.length += <i32>String.UTF8.encodeUnsafe(rest, units - ascii, at + ascii, false, String.UTF8.ErrorMode.REPLACE);
  }

  /** What is there, as a text. */
  text(): string {
    return decode(this.at, this.length);
  }

  /** What is there, as bytes of their own. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    memory.copy(bytes.dataStart, this.at, this.length);
    return bytes;
  }
}

/** How many of the bytes, from the first one on, are ASCII. */
function countAscii(at: usize, length: i32): i32 {
  let i = 0;
  while (i + WORD <= length && !(load<u64>(at + i) & NOT_ASCII)) i += WORD;
  while (i < length && load<u8>(at + i) < 0x80) i++;
  return i;
}

/** A text of UTF-8; what is none becomes U+FFFD. */
export function decode(at: usize, length: i32): string {
  const ascii = countAscii(at, length);
  if (ascii < length) return String.UTF8.decodeUnsafe(at, length);
  // As ordinary code would make it: a string is an object of so many bytes.
  const text = changetype<string>(__new(<usize>length << 1, idof<string>()));
  const to = changetype<usize>(text);
  for (let i = 0; i < length; i++) store<u16>(to + (<usize>i << 1), load<u8>(at + i));
  return text;
}

/** Whether the bytes are UTF-8: no surrogates, nothing longer than it need be. */
export function isUtf8(at: usize, length: i32): bool {
  const end = at + length;
  let i = at + countAscii(at, length);
  while (i < end) {
    const first = <i32>load<u8>(i++);
    if (first < 0x80) continue;
    if (first < 0xc2 || 0xf4 < first) return false;
    const more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (end - i < <usize>more) return false;
    // The second byte alone tells what is too long, a surrogate or beyond U+10FFFF.
    const second = <i32>load<u8>(i);
    const low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (second < low || high < second) return false;
    for (let j = 1; j < more; j++) {
      if ((load<u8>(i + j) & 0xc0) != 0x80) return false;
    }
    i += more;
  }
  return true;
}
