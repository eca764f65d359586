import { host } from "./host.js";
import { wellFormed } from "./text.js";

/**
 * An error whose text alone is the reason why a message failed. Any other exception fails its message too, with its name,
 * its text, and the line of the source that it comes from.
 */
export class Failure extends Error {
  constructor(reason) {
    super(reason);
    this.name = "Failure";
  }
}

/** Frames of a stack that are looked at for the line of the source. */
const FRAMES_MAX = 30;

/** Why a message failed, from whatever was thrown. */
export function reasonOf(thrown) {
  // A getter, or `toString`, of what was thrown is the guest's, too.
  try {
    return wellFormed(textOf(thrown));
  } catch {
    return "an exception that cannot be told";
  }
}

function textOf(thrown) {
  if (thrown instanceof Failure) return String(thrown.message);
  if (!(thrown instanceof Error)) return typeof thrown === "string" ? thrown : `thrown: ${told(thrown)}`;
  const text = thrown.message === "" ? String(thrown.name) : `${thrown.name}: ${thrown.message}`;
  const place = placeOf(String(thrown.stack));
  return place === undefined ? text : `${text}, at ${place}`;
}

function told(thrown) {
  if (typeof thrown === "object" && thrown !== null) return JSON.stringify(thrown) ?? String(thrown);
  return String(thrown);
}

/** The line of the guest's source that the innermost frame of its own is at. */
function placeOf(stack) {
  for (const frame of stack.split("\n", FRAMES_MAX)) {
    const place = host.placeOf(frame);
    if (place !== undefined) return place;
  }
  return undefined;
}

/** What is wrong with a function of the guest that gives a promise. */
export const asynchronous = (name) =>
  `\`${name}\` is asynchronous, and a guest is called synchronously: there is nothing that it could wait for`;

/** What a function of the guest gives back is of no use, and a promise is a mistake. */
export function refuseResult(name, result) {
  if (typeof result?.then === "function") throw new TypeError(asynchronous(name));
}
