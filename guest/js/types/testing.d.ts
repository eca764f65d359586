import type { Configure, Process, Value } from "./index.js";

/** A guest's module: `import * as guest from "./guest.js"`. */
export interface Guest {
  process: Process;
  configure?: Configure;
}

/** A message that a test puts in. */
export interface Input {
  content?: Uint8Array | string;
  metadata?: Record<string, Value>;
  error?: string;
}

/** A message that came out. */
export interface Output {
  content: Uint8Array;
  /** The content as text, with U+FFFD for what is not UTF-8. */
  text: string;
  metadata: Record<string, Value>;
  /** The reason of a message that failed, or the mark that it came in with. */
  error?: string;
}

/** A line of the log. */
export interface Line {
  level: "trace" | "debug" | "info" | "warn" | "error";
  text: string;
}

/** Plays the processor of a stream for one instance of a guest, in this process. It has no limits on time and memory. */
export interface Host {
  /** Gives a batch to the guest. For each message, the list of messages that it became: none when it was filtered. */
  process(messages: Input[]): Output[][];
  /** What the guest wrote to the log. */
  readonly logs: Line[];
  /** What the guest has added to a counter. */
  counter(name: string): number;
}

/** Starts a guest. Throws an `Error` with the reason when `configure` does. */
export function start(guest: Guest, config?: Record<string, string>): Host;
