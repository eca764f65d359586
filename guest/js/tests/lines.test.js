import assert from "node:assert/strict";
import test from "node:test";

import { lines, tableOf } from "../src/lines.js";

test("lines of a bundle are lines of the guest's sources", () => {
  // Bundle line 2 is line 1 of the library; 3 to 5 are lines 4, 5 and 7 of the guest; 6 has no place of its own.
  const map = { sources: ["sdk.js", "guest.ts"], mappings: ";AAAA;ACGA;AACA,GAAG;AAEA;" };
  (0, eval)(tableOf(map, (source) => source === "guest.ts"));
  const place = (line) => lines.placeOf(`    at process (<anonymous>:${line}:7)`);
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(place), [
    undefined,
    undefined,
    "guest.ts:4",
    "guest.ts:5",
    "guest.ts:7",
    "guest.ts:8",
  ]);
  assert.equal(lines.placeOf("process@guest.js:4:1"), "guest.ts:5");
  assert.equal(lines.placeOf("    at native"), undefined);
});
