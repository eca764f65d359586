/**
 * What the guest finds around it: the functions of the component's world, or those of the mock host.
 *
 * @type {{
 *   log: (level: string, text: string) => void,
 *   count: (name: string, delta: number) => void,
 *   placeOf: (frame: string) => string | undefined,
 *   begin: () => void,
 * }}
 */
export const host = {
  log() {
    throw new Error("there is no host: tests start one with `start` of `wappa-guest/testing`");
  },
  count() {
    throw new Error("there is no host: tests start one with `start` of `wappa-guest/testing`");
  },
  placeOf: () => undefined,
  /** Before anything else is done in an instance. */
  begin() {},
};
