// The memory in which keys, values and answers of the host lie for a moment. It is there before anything else is, since what
// fails then has a reason, too.
import { Scratch } from "./text";

/** A key or a name. */
// @ts-ignore: decorator
@lazy export const KEY = changetype<Scratch>(memory.data(offsetof<Scratch>()));

/** A value, a reason, a line. */
// @ts-ignore: decorator
@lazy export const VALUE = changetype<Scratch>(memory.data(offsetof<Scratch>()));
