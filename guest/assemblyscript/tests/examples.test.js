// The examples over the data that all languages share.

import { compile } from "as-wappa/testing";

import { testExample } from "./cases.js";

for (const name of ["louder", "redact", "split", "route"]) {
  testExample(name, await compile({ entry: `examples/${name}.ts` }));
}
