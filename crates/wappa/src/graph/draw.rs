//! A picture for browsers.

use super::{
    flow::Flow,
    layout::{Layout, Place, Sizes},
};

const STYLE: &str = "\
text { font: 14px system-ui, sans-serif; fill: #1c1e21 } \
.label { font-size: 12px; fill: #5a6270 } .text { font-size: 12px; fill: #3a4150 } \
rect { stroke: #5a6270; fill: #f4f5f7 } .input rect { fill: #dff3e4; stroke: #2f855a } \
.output rect { fill: #e1ecfb; stroke: #2b6cb0 } .resource rect { fill: #fbf0d9; stroke: #b7791f } \
path { fill: none; stroke: #5a6270; stroke-width: 1.5 } .use { stroke-dasharray: 4 4 } #head path { fill: #5a6270 } \
.back { fill: #ffffff; stroke: none } \
@media (prefers-color-scheme: dark) { \
text { fill: #e8eaed } .label { fill: #aab1bd } .text { fill: #c6ccd6 } rect { fill: #2a2e35; stroke: #8a93a2 } \
.input rect { fill: #173d29; stroke: #58b884 } .output rect { fill: #17304f; stroke: #6ba5e7 } \
.resource rect { fill: #463513; stroke: #d9a441 } path { stroke: #8a93a2 } #head path { fill: #8a93a2 } \
.back { fill: #16181c; stroke: none } }";

/// How large the parts of a picture are that shows names only.
const SIZES: Sizes = Sizes { height: 46, row: 74, width_min: 0, gap: 56, character: 9 };

pub(super) fn write(flow: &Flow) -> String {
    let Layout { width: right, height: bottom, places, lines } = Layout::of(flow, SIZES);
    let height = SIZES.height;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{bottom}\" \
         viewBox=\"0 0 {right} {bottom}\" role=\"img\">\n<style>{STYLE}</style>\n<defs><marker id=\"head\" \
         viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 10 5 0 10z\"/></marker></defs>\n\
         <rect class=\"back\" width=\"{right}\" height=\"{bottom}\"/>\n"
    );
    for (way, line) in flow.ways.iter().zip(&lines) {
        let class = if way.is_use { "class=\"use\" " } else { "" };
        out.push_str(&format!("<path {class}marker-end=\"url(#head)\" d=\"{}\"/>\n", line.path));
        if !way.text.is_empty() {
            let (x, y) = line.text_at;
            out.push_str(&format!(
                "<text class=\"text\" text-anchor=\"end\" x=\"{x}\" y=\"{y}\">{}</text>\n",
                escaped(&way.text)
            ));
        }
    }
    for (part, place) in flow.parts.iter().zip(&places) {
        let class = part.role.name();
        let Place { x, y, width } = place;
        let middle = x + width / 2;
        let line = if part.label.is_empty() { y + 28 } else { y + 20 };
        out.push_str(&format!(
            "<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\
             <text text-anchor=\"middle\" x=\"{middle}\" y=\"{line}\">{}</text>",
            escaped(&part.name)
        ));
        if !part.label.is_empty() {
            out.push_str(&format!(
                "<text class=\"label\" text-anchor=\"middle\" x=\"{middle}\" y=\"{}\">{}</text>",
                y + 37,
                escaped(&part.label)
            ));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
