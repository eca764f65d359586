/** A value of metadata: text, bytes that are no text, or anything else that is JSON. */
export type Value = string | Uint8Array | Json;

/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A message that the guest is given. */
export interface In {
  /** Empty when it is left out. */
  content?: string | Uint8Array;
  metadata?: Record<string, Value>;
  /** The error mark of a message that failed before. */
  error?: string;
}

/** A message that came out. */
export interface Out {
  content: Uint8Array;
  /** The content as text; what is not UTF-8 is replaced by U+FFFD. */
  text: string;
  metadata: Record<string, Value>;
  /** The error mark; of a message that failed, the reason. */
  error?: string;
}

/**
 * Compiles the guest of the project, as `asc` does it with the target `test` of its asconfig.json. Throws what the compiler
 * says.
 */
export function compile(options?: {
  /** The entry file, where asconfig.json names none. */
  entry?: string;
  /** `asconfig.json` unless it is said. */
  config?: string;
  /** Further folders with packages. */
  path?: string[];
}): Promise<Guest>;

/** A guest that was compiled. */
export interface Guest {
  /**
   * Starts it with a config. Throws the reason why it does not want to. The function `process` is called unless another one is
   * named.
   */
  start(config?: Record<string, unknown>, options?: { function?: string }): Host;
}

/** A host with one instance of the guest. There are no limits on time and memory. */
export interface Host {
  /**
   * Gives a batch to the guest and returns, for each message, the list of messages that it became: one as a rule, none when it
   * was filtered. One that failed is as it came in, with the reason in `error`. A trap begins it with `trap: `, and a new
   * instance goes on with the next message.
   */
  process(messages: In[]): Out[][];
  /** The lines of the log so far. */
  readonly logs: { level: "trace" | "debug" | "info" | "warn" | "error"; text: string }[];
  /** What was added to a counter. */
  counter(name: string): number;
  /** What `now` answers, in nanoseconds. */
  time: bigint;
  /** Ends the guest: its function `close` is called. */
  close(): void;
}
