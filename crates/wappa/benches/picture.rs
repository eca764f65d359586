//! The picture of speed: bars of messages a second, as an SVG that reads well on light and on dark pages.
//!
//! It is drawn of the lines that the report prints, so the table in `docs/benchmark.md` and `docs/speed.svg` are of the
//! same run; a test holds one against the other.

use std::fmt::Write;

/// What is drawn: a row of the report and its batches, the words beside the bar, and whose it is.
const BARS: [(&str, &str, &str, Whose); 7] = [
    ("(d) plain, upper-case", "–", "A plain program, no module", Whose::Yardstick),
    ("(c) bare loop", "–", "The module in a bare loop", Whose::Yardstick),
    ("(g) component, contents", "1", "Wappa, component", Whose::Wappa),
    ("(f) v1", "1", "Wappa, interface v1", Whose::Wappa),
    (WAPPA, "1", "Wappa, Bento's interface", Whose::Wappa),
    ("(e) Bento", "100", "Bento, in batches of 100", Whose::Bento),
    (BENTO, "1", "Bento", Whose::Bento),
];
const WAPPA: &str = "(b) `wasm`";
const BENTO: &str = "(e) Bento";
/// Bytes a message and threads of the rows that are drawn.
const BYTES: &str = "100";
const THREADS: &str = "1";

#[derive(Clone, Copy)]
enum Whose {
    Wappa,
    Bento,
    Yardstick,
}

const WIDTH: f64 = 760.0;
const BARS_FROM: f64 = 236.0;
const BAR_MAX: f64 = 420.0;
const TOP: f64 = 88.0;
const ROW: f64 = 36.0;

const STYLE: &str = "
    svg { --back: #ffffff; --line: #dcdde6; --text: #1a1b25; --soft: #5d6072; --wappa: #5b4be1; --bento: #c77d0a; --yardstick: #b9bccb; }
    @media (prefers-color-scheme: dark) { svg { --back: #191b25; --line: #2d3040; --text: #eceef6; --soft: #a9adc2; --wappa: #9d92ff; --bento: #f2b84b; --yardstick: #565b73; } }
    text { font: 14px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: var(--text); }
    .head { font-size: 17px; font-weight: 650; } .soft { fill: var(--soft); font-size: 13px; }
    .name { text-anchor: end; } .rate { font-weight: 650; }
    .back { fill: var(--back); stroke: var(--line); } .wappa { fill: var(--wappa); } .bento { fill: var(--bento); } .yardstick { fill: var(--yardstick); }
";

/// Draws the rows of a report, which may have other lines. Rows that were not measured are left out.
pub(crate) fn draw(report: &str) -> String {
    let bars: Vec<_> = BARS
        .iter()
        .filter_map(|&(row, batches, words, whose)| {
            let (text, per_second) = rate(report, row, batches)?;
            Some((words, whose, text, per_second))
        })
        .collect();
    let most = bars.iter().map(|it| it.3).fold(f64::MIN_POSITIVE, f64::max);
    let by_bento = rate(report, WAPPA, "1").zip(rate(report, BENTO, "1")).map(|(a, b)| a.1 / b.1);
    let head = by_bento.map_or_else(
        || String::from("Messages a second through one thread"),
        |it| format!("The same config and module: {it:.0} times as fast as Bento"),
    );
    let said: Vec<_> = bars.iter().map(|(words, _, text, _)| format!("{words}: {text}")).collect();
    let height = TOP + ROW * bars.len() as f64 + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"title desc\">\n  \
         <title id=\"title\">{head}</title>\n  \
         <desc id=\"desc\">Messages of {BYTES} bytes a second, upper-cased by a WebAssembly module in one thread. {}.</desc>\n  \
         <style>{STYLE}  </style>\n  \
         <rect class=\"back\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"14\"/>\n  \
         <text class=\"head\" x=\"24\" y=\"36\">{head}</text>\n  \
         <text class=\"soft\" x=\"24\" y=\"60\">Messages of {BYTES} bytes a second, upper-cased by a WebAssembly module in one thread</text>\n",
        said.join("; "),
        WIDTH - 1.0,
        height - 1.0,
    );
    for ((words, whose, text, per_second), at) in bars.iter().zip(0_u32..) {
        let y = TOP + ROW * f64::from(at);
        // One that would not be seen is drawn as a line.
        let width = (per_second / most * BAR_MAX).max(1.0);
        let class = match whose {
            Whose::Wappa => "wappa",
            Whose::Bento => "bento",
            Whose::Yardstick => "yardstick",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "  <text class=\"name\" x=\"{}\" y=\"{}\">{words}</text>\
             <rect class=\"{class}\" x=\"{BARS_FROM}\" y=\"{y}\" width=\"{width:.1}\" height=\"22\" rx=\"{}\"/>\
             <text class=\"rate\" x=\"{:.1}\" y=\"{}\">{text}</text>",
            BARS_FROM - 14.0,
            y + 16.0,
            if width < 8.0 { 0 } else { 4 },
            BARS_FROM + width + 10.0,
            y + 16.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Messages a second of a row: as the report has them, and as a number.
fn rate(report: &str, row: &str, batches: &str) -> Option<(String, f64)> {
    report.lines().find_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [bytes, name, of, threads, rate, ..] = cells[..] else { return None };
        let is_it = bytes == BYTES && name == row && of == batches && threads == THREADS;
        let (digits, unit) = rate.split_once(' ').filter(|_| is_it)?;
        let unit = match unit {
            "k" => 1e3,
            "M" => 1e6,
            _ => return None,
        };
        Some((rate.to_string(), digits.parse::<f64>().ok()? * unit))
    })
}
