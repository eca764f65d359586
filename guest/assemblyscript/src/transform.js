/**
 * What makes a guest of a program: asc takes it as `transform`, which the package's asconfig.json says.
 *
 * - The functions that the entry file exports become what the host calls: each one with a message, `configure`, `close`.
 * - `throw` ends the function that it is in, and its callers, and not the whole instance: with an exception of WebAssembly, for
 *   which AssemblyScript has no words.
 * - `console` and `Date.now` use the host.
 */

import { CommonFlags, NodeKind, SourceKind } from "assemblyscript";
import binaryen from "assemblyscript/binaryen";

const SERVE = "~lib/as-wappa/assembly/serve";

/** Functions that programs import from no host that there is, with what they are made of. */
const OF_THE_WEB = {
  "console.log": ["line", 2],
  "console.debug": ["line", 1],
  "console.info": ["line", 2],
  "console.warn": ["line", 3],
  "console.error": ["line", 4],
  "Date.now": ["now"],
};

export default class WappaTransform {
  /** Puts a file in front of the entry file, which exports what the host calls. */
  afterParse(parser) {
    // The runtime is one, too.
    const isEntry = (it) => it.sourceKind === SourceKind.UserEntry && !it.normalizedPath.startsWith("~lib/");
    const entries = parser.sources.filter(isEntry);
    if (entries.length !== 1) throw new Error(`a guest has one entry file, and this one has ${entries.length}`);
    const [entry] = entries;
    entry.sourceKind = SourceKind.User;
    const file = entry.normalizedPath.replace(/\.ts$/, "");
    const exported = functionsOf(entry);
    const served = [...exported].filter(([name, it]) => takesMessage(name, it)).map(([name]) => name);
    if (served.length === 0) {
      throw new Error(`${entry.normalizedPath} exports no \`function process(message: Message): void\``);
    }
    const special = ["configure", "close"].filter((it) => exported.has(it));
    const names = [...served, ...special];
    const imports = names.map((it) => `${it} as guest_${it}`).join(", ");
    const lines = [
      `import { ${imports} } from "./${file.split("/").pop()}";`,
      `import { serve, start, finish, logLine, milliseconds } from "as-wappa/assembly/serve";`,
      ...served.map((it) => `export function ${it}(): void { serve(guest_${it}); }`),
      exported.has("configure") ? "export function wappa_init(): i32 { return start(guest_configure); }" : "",
      exported.has("close") ? "export function wappa_close(): void { finish(guest_close); }" : "",
      "export { logLine as __wappa_line, milliseconds as __wappa_now };",
    ];
    parser.parseFile(lines.join("\n"), `${file}.wappa.ts`, true);
  }

  /** Fills in what has no words in AssemblyScript. */
  afterCompile(module) {
    module.setFeatures(module.getFeatures() | binaryen.Features.ExceptionHandling | binaryen.Features.ReferenceTypes);
    const { none, i32 } = binaryen;
    module.addTag("wappa_exception", none, none);
    replace(module, `${SERVE}/unwind`, () => module.throw("wappa_exception", []));
    replace(module, `${SERVE}/guard`, () => {
      const message = module.local.get(1, i32);
      const call = module.call_indirect("0", module.local.get(0, i32), [message], i32, none);
      const body = module.block(null, [call, module.return(module.i32.const(0))]);
      return module.block(null, [
        module.try("", body, ["wappa_exception"], [module.nop()]),
        module.return(module.i32.const(1)),
      ]);
    });
    // An exception costs by the functions that it goes through. So it is thrown where `throw` stands: this is short enough to
    // be put there, if the rest is not put into it.
    const abort = `${SERVE}/wappa_abort`;
    const parameters = [0, 1, 2].map((it) => module.local.get(it, i32));
    const tell = () => module.call(`${SERVE}/tell`, parameters, none);
    replace(module, abort, () => module.block(null, [tell(), module.throw("wappa_exception", [])]));
    binaryen.setPassArgument("no-inline", `${SERVE}/tell`);
    module.runPasses(["no-inline"]);
    binaryen.setPassArgument("no-inline", null);
    const made = { line: exportOf(module, "__wappa_line"), now: exportOf(module, "__wappa_now") };
    for (let i = module.getNumFunctions() - 1; 0 <= i; i--) {
      const { name, module: from, base } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
      if (from !== "env" || !Object.hasOwn(OF_THE_WEB, base)) continue;
      const [what, level] = OF_THE_WEB[base];
      replace(module, name, () =>
        what === "now"
          ? module.call(made.now, [], binaryen.f64)
          : module.call(made.line, [module.i32.const(level), module.local.get(0, i32)], none),
      );
    }
    for (const name of ["__wappa_line", "__wappa_now"]) module.removeExport(name);
  }
}

/** The functions that a file exports, by their names; undefined for those that come from another file. */
function functionsOf(source) {
  const found = new Map();
  for (const statement of source.statements) {
    if (statement.kind === NodeKind.FunctionDeclaration && (statement.flags & CommonFlags.Export) !== 0) {
      found.set(statement.name.text, statement);
    } else if (statement.kind === NodeKind.Export) {
      for (const member of statement.members ?? []) found.set(member.exportedName.text, undefined);
    }
  }
  return found;
}

/** Whether the host may call a function for messages: by the type of its parameter, or by its name where that is elsewhere. */
function takesMessage(name, declaration) {
  if (declaration === undefined) return name === "process";
  const { parameters } = declaration.signature;
  return parameters.length === 1 && parameters[0].type.name?.identifier?.text === "Message";
}

/** Puts a function in the place of one that was imported. */
function replace(module, name, body) {
  const { params, results } = binaryen.getFunctionInfo(module.getFunction(name));
  module.removeFunction(name);
  module.addFunction(name, params, results, [], body());
}

function exportOf(module, name) {
  return binaryen.getExportInfo(module.getExport(name)).value;
}
