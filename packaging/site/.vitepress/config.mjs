// How the site is made of the pages that `collect.mjs` writes.
import { readFileSync } from "node:fs";
import { blobl, inYaml } from "./blobl.mjs";

const contents = JSON.parse(readFileSync(new URL("../sidebar.json", import.meta.url), "utf8"));

// The anchor of a heading as GitHub makes it, so that links hold in both places.
const slugify = (heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replace(/ /g, "-");

export default {
  srcDir: "pages",
  outDir: "html",
  cacheDir: "cache",
  lang: "en",
  title: "Wappa",
  description: "A stream processor whose processing language is WebAssembly.",
  head: [["link", { rel: "icon", href: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%235b4be1'/%3E%3Cpath d='M6 10l5 12 5-9 5 9 5-12' fill='none' stroke='%23fff' stroke-width='3.2' stroke-linejoin='round' stroke-linecap='round'/%3E%3C/svg%3E" }]],
  markdown: {
    anchor: { slugify },
    toc: { slugify },
    headers: { slugify },
    languages: [blobl, inYaml],
    languageAlias: { wat: "wasm" },
    theme: { light: "github-light", dark: "github-dark" },
    config(md) {
      // Pages are text here and no templates, whatever is in double braces.
      for (const rule of ["text", "code_inline"]) {
        const rendered = md.renderer.rules[rule];
        md.renderer.rules[rule] = (...all) => rendered(...all).replaceAll("{{", "&#123;&#123;");
      }
      // A long table is moved under the finger, and not the page.
      md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>\n';
      md.renderer.rules.table_close = () => "</table></div>\n";
    },
  },
  themeConfig: {
    // Whoever looks something up sees the reference first.
    sidebar: { "/": contents, "/reference/": [contents.at(-1), ...contents.slice(0, -1).map((it) => ({ ...it, collapsed: true }))] },
    outline: { level: [2, 3] },
    nav: [
      { text: "Quickstart", link: "/quickstart" },
      { text: "Installing", link: "/installing" },
      { text: "Guests", link: "/guests/", activeMatch: "/guests/" },
      { text: "Operating", link: "/operating" },
      { text: "Reference", link: "/reference/", activeMatch: "/reference/" },
      { text: "Changes", link: "/changelog" },
    ],
    // All words that are asked for, and those of four letters as they are: "dead" is not "read".
    search: {
      provider: "local",
      options: { detailedView: true, miniSearch: { searchOptions: { combineWith: "AND", fuzzy: 0.1, prefix: true } } },
    },
    docFooter: { prev: "Before", next: "Next" },
  },
};
