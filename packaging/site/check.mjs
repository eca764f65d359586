// Looks at all pages of the site as they were built: node check.mjs HTML BASE
//
// Each link to a page, to a place in one or to a file leads somewhere, and nothing is fetched from another host.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const [html, base] = process.argv.slice(2);
const files = readdirSync(html, { recursive: true }).map(String).filter((it) => statSync(join(html, it)).isFile());
const pages = files.filter((it) => it.endsWith(".html") && it !== "404.html");
const plain = (text) => text.replace(/&amp;/g, "&").replace(/&#39;/g, "'").replace(/&quot;/g, '"');
const attributes = (text, name) => [...text.matchAll(new RegExp(`<([a-z0-9]+)\\b[^>]*?\\s${name}="([^"]*)"`, "g"))].map(([, tag, value]) => [tag, plain(value)]);
const places = new Map(pages.map((it) => [it, new Set(attributes(readFileSync(join(html, it), "utf8"), "id").map(([, id]) => id))]));
const faults = [];
let links = 0;

for (const page of pages) {
  const text = readFileSync(join(html, page), "utf8");
  const here = new URL(base + page.replaceAll("\\", "/"), "http://site/");
  for (const name of ["href", "src"]) {
    for (const [tag, target] of attributes(text, name)) {
      const url = new URL(target, here);
      if (url.protocol !== "http:" && url.protocol !== "https:") continue;
      if (url.host !== "site") {
        if (tag !== "a") faults.push(`${page}: <${tag}> fetches ${target}`);
        continue;
      }
      links += 1;
      if (!url.pathname.startsWith(base)) {
        faults.push(`${page}: ${target} is not below ${base}`);
        continue;
      }
      const path = decodeURIComponent(url.pathname.slice(base.length));
      const file = [path, `${path}index.html`, `${path}/index.html`].find((it) => it && existsSync(join(html, it)) && statSync(join(html, it)).isFile());
      const place = decodeURIComponent(url.hash.slice(1));
      if (!file) faults.push(`${page}: ${target} leads nowhere`);
      else if (place && places.has(file) && !places.get(file).has(place)) faults.push(`${page}: there is no #${place} in ${file}`);
    }
  }
}
// What a stylesheet asks for is fetched as well.
for (const file of files.filter((it) => it.endsWith(".css"))) {
  for (const [found] of readFileSync(join(html, file), "utf8").matchAll(/url\(["']?https?:[^)]*\)|@import[^;]*https?:[^;]*/g)) faults.push(`${file}: it fetches ${found}`);
}
if (faults.length > 0) {
  console.error([...new Set(faults)].join("\n"));
  process.exit(1);
}
console.log(`${pages.length} pages, ${links} links, each leads somewhere`);
