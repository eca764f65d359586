// Between the host and the guest's functions: what the transform exports calls these.
import * as host from "./host";
import { Message } from "./message";
import { VALUE } from "./scratch";

// Both are made by the transform, of instructions that AssemblyScript has no words for.
/** Calls a function for a message, by its place in the table, and says whether an exception ended it. */
// @ts-ignore: decorator
@external("as-wappa", "guard")
declare function guard(index: i32, message: Message): bool;
/** Ends all functions up to the innermost guard. */
// @ts-ignore: decorator
@external("as-wappa", "unwind")
declare function unwind(): void;

const message = new Message();

/** Whether there is a message at work, which can fail. */
// @ts-ignore: decorator
@lazy let hasMessage = false;
let other: (() => void) | null = null;

function callOther(_: Message): void {
  other!();
}

/** Works through the messages of one call. An exception fails its message, and no other. */
export function serve(f: (message: Message) => void): void {
  hasMessage = true;
  // What the functions that an exception ended had on the collector's stack is no longer there.
  const stack = __stack_pointer;
  do {
    if (guard(f.index, message)) __stack_pointer = stack;
  } while (host.next() == 1);
  hasMessage = false;
}

/** Calls `configure`. Other than 0 means that the guest does not start; the reason is in the log. */
export function start(f: () => void): i32 {
  other = f;
  return guard(callOther.index, message) ? 1 : 0;
}

/** Calls `close`. */
export function finish(f: () => void): void {
  other = f;
  guard(callOther.index, message);
}

/** Tells the host why the guest's function ends: a text, and the line of the source where there is one. */
function tell(text: string | null, file: string | null, line: u32): void {
  if (file === null) VALUE.encode(text === null ? "" : text);
  else VALUE.encodeWithPlace(text === null || text.length == 0 ? "abort" : text, file, line);
  if (hasMessage) host.fail(VALUE.at, VALUE.length);
  else host.log(4, VALUE.at, VALUE.length);
}

/**
 * Ends the guest's function: its message fails with this reason, or, in `configure`, the stream does not start for it. A `throw`
 * does the same, and adds the place where it stands.
 */
export function refuse(reason: string): void {
  tell(reason, null, 0);
  unwind();
}

/** What `throw`, `assert` and the checks of the language call: the text, and where it stands. The transform makes it again. */
// @ts-ignore: decorator
@global
function wappa_abort(text: string | null, file: string | null, line: u32, column: u32): void {
  tell(text, file, line);
  unwind();
}

/** What `trace` calls. */
// @ts-ignore: decorator
@global
function wappa_trace(text: string, n: i32 = 0, a0: f64 = 0, a1: f64 = 0, a2: f64 = 0, a3: f64 = 0, a4: f64 = 0): void {
  let line = text;
  if (0 < n) line += " " + a0.toString();
  if (1 < n) line += ", " + a1.toString();
  if (2 < n) line += ", " + a2.toString();
  if (3 < n) line += ", " + a3.toString();
  if (4 < n) line += ", " + a4.toString();
  logLine(0, line);
}

/** What `Math.random` begins with. */
// @ts-ignore: decorator
@global
function wappa_seed(): f64 {
  host.random(VALUE.reserve(8), 8);
  return reinterpret<f64>(load<i64>(VALUE.at));
}

/** What `console` calls. */
export function logLine(level: i32, text: string): void {
  VALUE.encode(text);
  host.log(level, VALUE.at, VALUE.length);
}

/** What `Date.now` calls. */
export function milliseconds(): f64 {
  return <f64>(host.now() / 1000000);
}
