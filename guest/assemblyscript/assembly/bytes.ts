// Bytes that grow.
import { isUtf8 } from "./text";

/**
 * Bytes that grow, to be used again and again: keep one in a global variable, and its memory serves all messages.
 *
 *     const content = new Bytes();
 *
 *     export function process(message: Message): void {
 *       message.read(content);
 *       content.addText("!");
 *       message.write(content);
 *     }
 */
export class Bytes {
  private buffer: ArrayBuffer = new ArrayBuffer(64);
  private used: i32 = 0;

  /** How many there are. */
  get length(): i32 {
    return this.used;
  }

  /** Where the first one lies, until the bytes grow. */
  get dataStart(): usize {
    return changetype<usize>(this.buffer);
  }

  /** Makes it so many bytes; new ones are not set to anything. */
  resize(length: i32): this {
    if (length < 0) throw new RangeError("a length is not negative");
    if (this.buffer.byteLength < length) {
      const size = max(length, this.buffer.byteLength * 2);
      const buffer = new ArrayBuffer(size);
      memory.copy(changetype<usize>(buffer), this.dataStart, this.used);
      this.buffer = buffer;
    }
    this.used = length;
    return this;
  }

  /** Removes all bytes, and keeps the memory. */
  clear(): this {
    this.used = 0;
    return this;
  }

  /** Adds a byte at the end. */
  addByte(byte: u8): this {
    const at = this.used;
    this.resize(at + 1);
    store<u8>(this.dataStart + at, byte);
    return this;
  }

  /** Adds other bytes at the end. */
  add(bytes: Uint8Array): this {
    return this.addMemory(bytes.dataStart, bytes.length);
  }

  /** Adds a part of other bytes, or of these, at the end. */
  addPart(bytes: Bytes, start: i32, end: i32): this {
    if (start < 0 || end < start || bytes.used < end) throw new RangeError("there is no such part");
    const at = this.used;
    this.resize(at + end - start);
    memory.copy(this.dataStart + at, bytes.dataStart + start, end - start);
    return this;
  }

  /** Adds bytes of the memory at the end. */
  addMemory(from: usize, length: i32): this {
    const at = this.used;
    this.resize(at + length);
    memory.copy(this.dataStart + at, from, length);
    return this;
  }

  /** Adds a text at the end, as UTF-8. */
  addText(text: string): this {
    const at = this.used;
    this.resize(at + text.length * 3);
    const to = this.dataStart + at;
    const written = String.UTF8.encodeUnsafe(
      changetype<usize>(text),
      text.length,
      to,
      false,
      String.UTF8.ErrorMode.REPLACE,
    );
    this.used = at + <i32>written;
    return this;
  }

  // @ts-ignore: decorator
  @operator("[]")
  private get(index: i32): u8 {
    if (<u32>index >= <u32>this.used) throw new RangeError("the index is out of bounds");
    return load<u8>(this.dataStart + index);
  }

  // @ts-ignore: decorator
  @operator("[]=")
  private set(index: i32, byte: u8): void {
    if (<u32>index >= <u32>this.used) throw new RangeError("the index is out of bounds");
    store<u8>(this.dataStart + index, byte);
  }

  /** Whether these are the same bytes. */
  equals(other: Bytes): bool {
    return this.used == other.used && memory.compare(this.dataStart, other.dataStart, this.used) == 0;
  }

  /** Whether the bytes are text: UTF-8. */
  isUtf8(): bool {
    return isUtf8(this.dataStart, this.used);
  }

  /** Bytes of their own. */
  toUint8Array(): Uint8Array {
    const bytes = new Uint8Array(this.used);
    memory.copy(bytes.dataStart, this.dataStart, this.used);
    return bytes;
  }

  /** The bytes as a text; what is not UTF-8 becomes U+FFFD. */
  toString(): string {
    return String.UTF8.decodeUnsafe(this.dataStart, this.used);
  }
}
