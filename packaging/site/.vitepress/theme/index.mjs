// The theme of VitePress without its fonts, in the colours of Wappa's page.
import { h } from "vue";
import Theme from "vitepress/theme-without-fonts";
import "./style.css";

const mark = () =>
  h("svg", { class: "mark", viewBox: "0 0 32 32", "aria-hidden": "true" }, [
    h("rect", { width: 32, height: 32, rx: 8 }),
    h("path", { d: "M6 10l5 12 5-9 5 9 5-12" }),
  ]);

export default {
  extends: Theme,
  Layout: () => h(Theme.Layout, null, { "nav-bar-title-before": mark }),
};
