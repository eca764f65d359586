// Makes the pages of the site of the documents in the repository: node collect.mjs DIR
//
// DIR/pages gets a page for each document, and one for each other file and folder of the repository that a page links
// to; links lead from page to page. DIR/sidebar.json is the table of contents: the lists of docs/README.md and of
// docs/reference/README.md. A document that neither names is an error.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const dir = process.argv[2];
const tracked = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" }).trim().split("\n");
const read = (path) => readFileSync(join(root, path), "utf8");
const languages = { ".rs": "rust", ".go": "go", ".h": "c", ".c": "c", ".js": "js", ".py": "python", ".zig": "zig", ".kt": "kotlin", ".yaml": "yaml", ".toml": "toml", ".json": "json", ".wat": "wat", ".wit": "wit", ".lua": "lua", ".nim": "nim", ".d": "d", ".vala": "vala" };
const pictures = [".png", ".svg"];
const faults = [];

// Where the page of a file or folder is, from the root of the site.
function address(path) {
  if (path === "README.md") return "index.md";
  if (path === "docs/README.md") return "documents.md";
  if (/^[A-Z]+\.md$/.test(path)) return path.toLowerCase();
  if (path.startsWith("docs/")) return path.slice("docs/".length).replace(/README\.md$/, "index.md");
  if (path.endsWith("/README.md")) return address(posix.dirname(path));
  if (isFolder(path)) return `files/${path}/index.md`;
  return `files/${path}${path.endsWith(".md") ? "" : ".md"}`;
}
const isFolder = (path) => statSync(join(root, path)).isDirectory();

// The text with what `change` makes of each target of a link that is not in a fence.
function withLinks(text, change) {
  let fence = "";
  const line = (it) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(it)?.[1];
    if (mark && (!fence || mark.startsWith(fence))) fence = fence ? "" : mark;
    return fence || mark ? it : it.replace(/(!?)\[((?:[^\[\]`]|`[^`]*`|\[[^\]]*\])*)\]\(([^()\s]+)\)/g, (_, picture, label, target) =>
      `${picture}[${picture ? label : withLinks(label, change)}](${change(target, picture)})`);
  };
  return text.split("\n").map(line).join("\n");
}

// What a link in the document at `path` leads to in the repository, and where in it.
function resolve(path, target) {
  const [file, anchor] = target.split("#");
  const folder = isFolder(path) ? path : posix.dirname(path);
  return [file ? posix.normalize(posix.join(folder, file)).replace(/\/$/, "") : path, anchor ? `#${anchor}` : ""];
}

const pages = new Map();
const waiting = [];
function wanted(path) {
  const key = address(path);
  if (!pages.has(key)) {
    pages.set(key, path);
    waiting.push(path);
  }
  return key;
}

function document(path, text) {
  return withLinks(text, (target, shown) => {
    if (/^[a-z]+:/.test(target)) return target;
    const [file, anchor] = resolve(path, target);
    if (!existsSync(join(root, file))) {
      faults.push(`${path}: ${target} leads nowhere`);
      return target;
    }
    if (shown || pictures.includes(extname(file))) return picture(file);
    return `/${wanted(file).replace(/(^|\/)index\.md$/, "$1")}${anchor}`;
  });
}

const frontmatter = (of) => `---\n${Object.entries(of).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join("\n")}\n---\n\n`;

// Where a picture of the repository is on the site.
function picture(path) {
  mkdirSync(join(dir, "pages/public", posix.dirname(path)), { recursive: true });
  cpSync(join(root, path), join(dir, "pages/public", path));
  return `/${path}`;
}

// The README is the first page: its first paragraph is the head, with the picture of speed, and the rest the body.
function home() {
  const [, first, rest] = /^# Wappa\n\n(.+(?:\n.+)*)\n\n([^]*)$/.exec(read("README.md")) ?? [];
  const [name, said] = /^Wappa is (.+?)[:.]\s([^]*)$/.exec(first ?? "")?.slice(1) ?? [];
  if (!said) throw new Error("README.md: it begins with `# Wappa` and a paragraph `Wappa is WHAT: WHY`");
  const hero = {
    name: "Wappa",
    text: name[0].toUpperCase() + name.slice(1),
    image: { src: picture("docs/speed.svg"), alt: "Messages a second with Wappa and with Bento" },
    tagline: said.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/\s+/g, " ").replace(/^./, (it) => it.toUpperCase()),
    actions: [
      { theme: "brand", text: "Quickstart", link: "/quickstart" },
      { theme: "alt", text: "Coming from Bento", link: "/coming-from-bento" },
      { theme: "alt", text: "Reference", link: "/reference/" },
    ],
  };
  return frontmatter({ layout: "home", hero }) + document("README.md", rest.replace(/!\[[^\]]*\]\(docs\/speed\.svg\)\n\n/, ""));
}

function folder(path) {
  const files = tracked.filter((it) => it.startsWith(`${path}/`)).map((it) => it.slice(path.length + 1));
  const readme = files.includes("README.md") ? document(`${path}/README.md`, read(`${path}/README.md`)) : `# ${path}\n`;
  const shown = files.filter((it) => it !== "README.md").map((it) => pages.has(`files/${path}/${it}.md`) ? `- [\`${it}\`](/files/${path}/${it}.md)` : `- \`${it}\``);
  return `${readme}\n## Files of \`${path}\`\n\n${shown.join("\n")}\n`;
}

function file(path) {
  const text = read(path);
  const fence = "`".repeat(Math.max(3, ...(text.match(/`+/g) ?? []).map((it) => it.length + 1)));
  return `# ${posix.basename(path)}\n\n\`${path}\`\n\n${fence}${languages[extname(path)] ?? "text"}\n${text.trimEnd()}\n${fence}\n`;
}

function page(path) {
  if (path === "README.md") return home();
  const isDocument = path.endsWith(".md");
  const head = isDocument && !path.startsWith("guest/") ? "" : frontmatter({ search: false, prev: false, next: false });
  return head + (isFolder(path) ? folder(path) : isDocument ? document(path, read(path)) : file(path));
}

// The title of a document, which names it in the table of contents.
const title = (path) => (/^# (.+)$/m.exec(read(path))?.[1] ?? path).replace(/`/g, "");
const entry = (path, text) => ({ text: text ?? title(path), link: `/${address(path).replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, "")}` });

// The lists of docs/README.md: paragraphs that end with a colon, and below each what it names.
function contents() {
  const groups = [];
  const seen = new Set(["docs/README.md", "docs/reference/README.md"]);
  let group;
  const add = (path, text) => {
    if (!seen.has(path)) group.items.push(entry(path, text));
    seen.add(path);
  };
  for (const line of read("docs/README.md").split("\n")) {
    const heading = /^([A-Z].*):$/.exec(line)?.[1];
    if (heading) groups.push(group = { text: heading, items: [], collapsed: false });
    if (group && line.startsWith("- ")) withLinks(line, (target) => (add(resolve("docs/README.md", target)[0]), target));
  }
  group.items.push(entry("CHANGELOG.md"), entry("docs/README.md"));
  const reference = "docs/reference/README.md";
  groups.push(group = { text: title(reference), items: [{ text: "All of it", link: "/reference/" }], collapsed: false });
  const general = group;
  for (const line of read(reference).split("\n")) {
    const heading = /^## (.+)$/.exec(line)?.[1];
    if (heading) general.items.push(group = { text: heading, items: [], collapsed: true });
    const name = /^\| \[`(.+?)`\]/.exec(line)?.[1];
    if (/^(- |\| \[)/.test(line)) {
      const own = withLinks(line, (it) => it).matchAll(/\]\(([^()\s]+)\)/g);
      for (const [, target] of name ? [own.next().value] : own) add(resolve(reference, target)[0], name);
    }
  }
  for (const path of tracked.filter((it) => /^docs\/.*\.md$/.test(it) && !seen.has(it))) {
    faults.push(`${path}: no list of docs/README.md or docs/reference/README.md names it`);
  }
  return groups;
}

const sidebar = contents();
for (const path of ["README.md", "CHANGELOG.md", ...tracked.filter((it) => /^docs\/.*\.md$/.test(it))]) wanted(path);
const texts = new Map();
while (waiting.length > 0) {
  const path = waiting.shift();
  texts.set(path, page(path));
}
// Which of its files a folder can link to is known now.
for (const path of texts.keys()) if (isFolder(path)) texts.set(path, page(path));
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
for (const [path, text] of texts) {
  const to = join(dir, "pages", address(path));
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, text);
}
writeFileSync(join(dir, "sidebar.json"), JSON.stringify(sidebar));
