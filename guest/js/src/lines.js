/**
 * Which line of which source a line of the bundle comes from. The table is written behind the bundle by `build.js`, so
 * that it moves no line of it.
 */

const TABLE = "__wappaLines";

export const lines = {
  /** Where a frame of a stack is in the guest's own sources; `undefined` for those of the SDK and of packages. */
  placeOf(frame) {
    const found = /:(\d+)(?::\d+)?\)?\s*$/.exec(frame);
    const table = globalThis[TABLE];
    if (found === null || table === undefined) return undefined;
    // Pairs for runs of lines that come from lines next to each other: line of the bundle, source, line of the source.
    const wanted = Number(found[1]);
    const { runs, sources } = table;
    let [low, high] = [0, runs.length / 3];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (runs[3 * middle] <= wanted) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const [at, source, line] = runs.slice(3 * (low - 1), 3 * low);
    return source < 0 ? undefined : `${sources[source]}:${line + wanted - at}`;
  },
};

/** The table for a source map, as the text that goes behind the bundle. `isOwn` says which sources are the guest's. */
export function tableOf(map, isOwn) {
  const sources = [];
  const numbers = map.sources.map((source) => (isOwn(source) ? sources.push(source) - 1 : -1));
  const runs = [];
  let last;
  let [source, line] = [0, 0];
  map.mappings.split(";").forEach((segments, index) => {
    let first;
    for (const segment of segments === "" ? [] : segments.split(",")) {
      const [, sourceStep, lineStep] = decode(segment);
      if (sourceStep === undefined) continue;
      source += sourceStep;
      line += lineStep;
      first ??= [numbers[source], line + 1];
    }
    // A line without a place of its own belongs to the one before it.
    if (first === undefined) return;
    const at = index + 1;
    const isNext = last !== undefined && last[1] === first[0] && (first[0] < 0 || first[1] - last[2] === at - last[0]);
    if (isNext) return;
    last = [at, ...first];
    runs.push(...last);
  });
  return `globalThis.${TABLE} = ${JSON.stringify({ runs, sources })};\n`;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of a segment of a source map (base 64, variable length). */
function decode(segment) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const letter of segment) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    if (digit & 32) {
      shift += 5;
      continue;
    }
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
