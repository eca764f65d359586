/**
 * From the guest's module to a component: bundled by esbuild, tried here, and given to one of the two engines.
 */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { tableOf } from "./lines.js";
import { check } from "./transform.js";

const SDK = path.dirname(fileURLToPath(import.meta.url));
const WIT = path.join(SDK, "..", "wit");
const WORLD = "processor";

/** What QuickJS imports besides, for `random.js`. */
const WITH_RANDOM = `
world guest {
  include processor;
  import wasi:random/random@0.2.0;
}

package wasi:random@0.2.0 {
  interface random {
    get-random-bytes: func(len: u64) -> list<u8>;
  }
}
`;

/** What can be wrong with a guest or a machine, for whoever builds. */
export class BuildError extends Error {}

/** The two engines, each with the package that has it. */
export const ENGINES = {
  quickjs: {
    package: "componentize-qjs",
    parts: ["random.js"],
    async componentize({ componentize }, source) {
      const world = (await readFile(path.join(WIT, "processor.wit"), "utf8")) + WITH_RANDOM;
      return await withScratch(async (scratch) => {
        const witPath = path.join(scratch, "guest.wit");
        await writeFile(witPath, world);
        const { component } = await componentize({ witPath, jsSource: source, world: "guest", sync: true });
        return component;
      });
    },
  },
  starlingmonkey: {
    package: "@bytecodealliance/componentize-js",
    parts: [],
    async componentize({ componentize }, source) {
      // It finds files below the working directory only. There is no network to fetch from.
      const witWorld = await readFile(path.join(WIT, "processor.wit"), "utf8");
      const options = { witWorld, worldName: WORLD, disableFeatures: ["http", "fetch-event"] };
      const { component } = await componentize(source, options);
      return component;
    },
  },
};

/**
 * Builds a component.
 *
 * @param {{ entry: string, out: string, engine?: string, directory?: string }} options
 */
export async function build({ entry, out, engine = "quickjs", directory = process.cwd() }) {
  const to = ENGINES[engine];
  if (to === undefined) {
    throw new BuildError(`there is no engine \`${engine}\`: ${Object.keys(ENGINES).join(" or ")}`);
  }
  const file = path.resolve(directory, entry);
  if (!existsSync(file)) throw new BuildError(`${entry}: there is no such file`);
  const esbuild = await load("esbuild", directory);
  const source = await bundle(esbuild, file, directory, to.parts);
  await tryOut(esbuild, file, directory);
  const maker = await load(to.package, directory);
  const component = await to.componentize(maker, source).catch(explain);
  const target = path.resolve(directory, out);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, component);
  return component.length;
}

/** What a module does where it begins is done at the build, where the host's functions are not there yet. */
function explain(err) {
  const [, name, called] = /unknown imported function: '([^']+)' '([^']+)'/.exec(String(err?.message)) ?? [];
  if (name === undefined) throw err;
  throw new BuildError(
    `the guest's module calls \`${called}\` of ${name} where it begins, and there is no host when it is built: do it in a function`,
  );
}

async function withScratch(body) {
  const scratch = await mkdtemp(path.join(os.tmpdir(), "wappa-guest-"));
  try {
    return await body(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A package of the project, or of whatever is around it, or of what is around this library. */
async function load(name, directory) {
  for (const start of [directory, SDK]) {
    for (let at = start; ; at = path.dirname(at)) {
      const home = path.join(at, "node_modules", name);
      const manifest = path.join(home, "package.json");
      if (existsSync(manifest)) {
        const { exports, main = "index.js" } = JSON.parse(await readFile(manifest, "utf8"));
        return await import(pathToFileURL(path.join(home, entryOf(exports) ?? main)).href);
      }
      if (at === path.dirname(at)) break;
    }
  }
  throw new BuildError(`\`${name}\` is not installed: npm install --save-dev ${name}`);
}

/** What `import` of a package loads, by the field `exports` of its manifest. */
function entryOf(exports) {
  if (typeof exports === "string" || exports == null) return exports ?? undefined;
  return entryOf(exports["."] ?? exports.node ?? exports.import ?? exports.default);
}

const common = (directory) => ({
  absWorkingDir: directory,
  bundle: true,
  format: "esm",
  write: false,
  logLevel: "silent",
  legalComments: "none",
  charset: "utf8",
});

async function run(esbuild, options) {
  try {
    return await esbuild.build(options);
  } catch (err) {
    const texts = (err.errors ?? []).map(({ text, location }) =>
      location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text,
    );
    throw new BuildError(texts.length === 0 ? String(err.message) : texts.join("\n"));
  }
}

/** The guest, its packages and this library as one module, with the table of lines behind it. */
async function bundle(esbuild, file, directory, parts) {
  const sdk = (name) => JSON.stringify(path.join(SDK, name));
  const begins = parts.map((it) => `import { begin } from ${sdk(it)}; host.begin = begin;`).join("\n");
  const entry = `
    import { transformOf } from ${sdk("component.js")};
    import { host } from ${sdk("host.js")};
    ${begins}
    import * as guest from ${JSON.stringify(file)};
    export const transform = transformOf(guest);
  `;
  const result = await run(esbuild, {
    ...common(directory),
    stdin: { contents: entry, resolveDir: directory, sourcefile: "wappa-guest:entry" },
    outfile: "guest.js",
    sourcemap: "external",
    external: ["wappa:*", "wasi:*"],
    conditions: ["wappa"],
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    alias: { "wappa-guest": path.join(SDK, "index.js") },
    plugins: [withoutNode],
  });
  const text = (name) => result.outputFiles.find((it) => it.path.endsWith(name)).text;
  const inside = (source) => path.relative(SDK, path.resolve(directory, source));
  const isOwn = (source) =>
    !source.includes("node_modules/") && !source.startsWith("wappa-guest:") && inside(source).startsWith("..");
  return `${text("guest.js")}\n${tableOf(JSON.parse(text("guest.js.map")), isOwn)}`;
}

/** A package that needs Node cannot run in a guest, and should be told by its name. */
const withoutNode = {
  name: "without Node",
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path: name }) => ({
      errors: [{ text: `\`${name}\` is not there: a guest has no Node.js around it` }],
    }));
  },
};

/** Loads the guest in this process, for mistakes that the engines would tell of in their own words or not at all. */
async function tryOut(esbuild, file, directory) {
  await withScratch(async (scratch) => {
    const result = await run(esbuild, {
      ...common(directory),
      entryPoints: [file],
      platform: "neutral",
      mainFields: ["module", "main"],
      target: "es2022",
      sourcemap: "inline",
      alias: { "wappa-guest": path.join(SDK, "index.js") },
      outfile: "guest.mjs",
    });
    const module = path.join(scratch, "guest.mjs");
    await writeFile(module, result.outputFiles[0].contents);
    let guest;
    try {
      guest = await import(pathToFileURL(module).href);
    } catch (err) {
      throw new BuildError(`running the guest's module for the first time: ${err.name}: ${err.message}`);
    }
    try {
      check(guest);
    } catch (err) {
      throw new BuildError(err.message);
    }
  });
}

/** The version of this library. */
export async function version() {
  return JSON.parse(await readFile(path.join(SDK, "..", "package.json"), "utf8")).version;
}
