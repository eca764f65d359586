//! A picture for browsers: parts in columns from left to right, each behind all that lead to it.

use std::{collections::BTreeSet, ops::Range};

use super::flow::{Flow, Role, Way};

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

const HEIGHT: usize = 46;
const ROW: usize = 74;
const MARGIN: usize = 20;
/// About how wide a character is, of names and of what is written at ways.
const CHAR: usize = 9;

/// Where a part is.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
    width: usize,
}

/// Where all of it is.
struct Layout {
    places: Vec<Place>,
    /// Of each way that passes over columns: where it runs straight, from left to right at a height.
    passes: Vec<Option<(usize, usize, usize)>>,
}

pub(super) fn write(flow: &Flow) -> String {
    let Layout { places, passes } = Layout::of(flow);
    let right = places.iter().map(|it| it.x + it.width).max().unwrap_or_default() + MARGIN;
    let passed = passes.iter().flatten().map(|it| it.2);
    let bottom = places.iter().map(|it| it.y + HEIGHT).chain(passed).max().unwrap_or_default() + 2 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right}\" height=\"{bottom}\" \
         viewBox=\"0 0 {right} {bottom}\" role=\"img\">\n<style>{STYLE}</style>\n<defs><marker id=\"head\" \
         viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 10 5 0 10z\"/></marker></defs>\n\
         <rect class=\"back\" width=\"{right}\" height=\"{bottom}\"/>\n"
    );
    for (way, pass) in flow.ways.iter().zip(&passes) {
        let (from, to) = (places[way.from], places[way.to]);
        if way.is_use {
            out.push_str(&format!(
                "<path class=\"use\" marker-end=\"url(#head)\" d=\"{}\"/>\n",
                use_of(from, to)
            ));
            continue;
        }
        let (x1, y1) = (from.x + from.width, from.y + HEIGHT / 2);
        let (x2, y2) = (to.x, to.y + HEIGHT / 2);
        let line = match pass {
            None => format!("M{x1} {y1} {}", curve(x1, y1, x2, y2)),
            Some((left, right, y)) => {
                format!("M{x1} {y1} {} H{right} {}", curve(x1, y1, *left, *y), curve(*right, *y, x2, y2))
            }
        };
        out.push_str(&format!("<path marker-end=\"url(#head)\" d=\"{line}\"/>\n"));
        if !way.text.is_empty() {
            // Beside the part that it leads to, or where it begins to run straight.
            let (x, y) = pass.map_or((x2, y2), |(left, _, y)| (left, y));
            out.push_str(&format!(
                "<text class=\"text\" text-anchor=\"end\" x=\"{}\" y=\"{}\">{}</text>\n",
                x.saturating_sub(10),
                y.saturating_sub(7),
                escaped(&way.text)
            ));
        }
    }
    for (part, place) in flow.parts.iter().zip(&places) {
        let class = match part.role {
            Role::Input => "input",
            Role::Processor => "processor",
            Role::Output => "output",
            Role::Resource => "resource",
            Role::More => "more",
        };
        let Place { x, y, width } = place;
        let middle = x + width / 2;
        let line = if part.label.is_empty() { y + 28 } else { y + 20 };
        out.push_str(&format!(
            "<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"8\"/>\
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

fn curve(x1: usize, y1: usize, x2: usize, y2: usize) -> String {
    let middle = x1.midpoint(x2);
    format!("C{middle} {y1} {middle} {y2} {x2} {y2}")
}

/// The line to a resource: down to it, or below both where both are.
fn use_of(from: Place, to: Place) -> String {
    let (x1, y1, x2) = (from.x + from.width / 2, from.y + HEIGHT, to.x + to.width / 2);
    match from.y == to.y {
        true => format!("M{x1} {y1} C{x1} {0} {x2} {0} {x2} {1}", y1 + 34, to.y + HEIGHT),
        false => format!("M{x1} {y1} C{x1} {} {x2} {} {x2} {}", y1 + 30, to.y.saturating_sub(30), to.y),
    }
}

impl Layout {
    fn of(flow: &Flow) -> Layout {
        let n_parts = flow.parts.len();
        let is_below = |id: usize| matches!(flow.parts[id].role, Role::Resource | Role::More);
        let columns = columns(flow);
        let n_columns =
            (0..n_parts).filter(|it| !is_below(*it)).map(|it| columns[it] + 1).max().unwrap_or_default();
        let mut grid = Grid { taken: vec![BTreeSet::new(); n_columns] };
        let mut rows = vec![0; n_parts];
        let mut pass_rows = vec![None; flow.ways.len()];
        let mut ids: Vec<usize> = (0..n_parts).filter(|it| !is_below(*it)).collect();
        ids.sort_by_key(|it| (columns[*it], *it));
        for id in ids {
            // Beside the first that leads here.
            let before = flow.ways.iter().find(|it| !it.is_use && it.to == id).map_or(0, |it| rows[it.from]);
            rows[id] = grid.take(columns[id]..columns[id] + 1, before);
            let leads = || flow.ways.iter().enumerate().filter(|(_, it)| !it.is_use && it.from == id);
            let is_long = |it: &Way| columns[id] + 1 < columns[it.to];
            // What is next comes first, and what passes over it goes below.
            let n_short = leads().filter(|(_, it)| !is_long(it)).count();
            for (index, way) in leads().filter(|(_, it)| is_long(it)) {
                pass_rows[index] = Some(grid.take(columns[id] + 1..columns[way.to], rows[id] + n_short));
            }
        }
        let width = |id: usize| {
            let part = &flow.parts[id];
            part.name.chars().count().max(part.label.chars().count()) * CHAR + 28
        };
        let mut widths = vec![0; n_columns];
        let mut gaps = vec![56; n_columns];
        for id in (0..n_parts).filter(|it| !is_below(*it)) {
            widths[columns[id]] = widths[columns[id]].max(width(id));
        }
        for (way, pass) in flow.ways.iter().zip(&pass_rows).filter(|(it, _)| !it.is_use) {
            let column = if pass.is_some() { columns[way.from] + 1 } else { columns[way.to] };
            gaps[column] = gaps[column].max(way.text.chars().count() * 7 + 40);
        }
        let mut lefts = Vec::new();
        let mut x = MARGIN;
        for (column, (width, gap)) in widths.iter().zip(&gaps).enumerate() {
            x += if 0 < column { *gap } else { 0 };
            lefts.push(x);
            x += width;
        }
        let n_rows = grid.taken.iter().filter_map(|it| it.last()).max().map_or(0, |it| it + 1);
        let bottom = MARGIN + n_rows * ROW + 24;
        let mut x = MARGIN;
        let mut places = Vec::new();
        for id in 0..n_parts {
            if is_below(id) {
                places.push(Place { x, y: bottom, width: width(id) });
                x += width(id) + 24;
            } else {
                let column = columns[id];
                places.push(Place { x: lefts[column], y: MARGIN + rows[id] * ROW, width: widths[column] });
            }
        }
        let pass = |(way, row): (&Way, &Option<usize>)| {
            row.map(|row| {
                let last = columns[way.to] - 1;
                let left = lefts[columns[way.from] + 1];
                (left, lefts[last] + widths[last], MARGIN + row * ROW + HEIGHT / 2)
            })
        };
        Layout { passes: flow.ways.iter().zip(&pass_rows).map(pass).collect(), places }
    }
}

/// The column of each part: behind all that lead to it.
fn columns(flow: &Flow) -> Vec<usize> {
    let mut columns = vec![0; flow.parts.len()];
    // No way leads in a circle, so this ends after at most as many rounds as there are parts.
    for _ in 0..flow.parts.len() {
        let mut has_moved = false;
        for way in flow.ways.iter().filter(|it| !it.is_use) {
            if columns[way.to] <= columns[way.from] {
                columns[way.to] = columns[way.from] + 1;
                has_moved = true;
            }
        }
        if !has_moved {
            break;
        }
    }
    columns
}

/// Which rows of each column are taken.
struct Grid {
    taken: Vec<BTreeSet<usize>>,
}

impl Grid {
    /// The first row from one on that is free in all of some columns, which is taken then.
    fn take(&mut self, columns: Range<usize>, from: usize) -> usize {
        let mut row = from;
        while self.taken[columns.clone()].iter().any(|it| it.contains(&row)) {
            row += 1;
        }
        self.taken[columns].iter_mut().for_each(|it| {
            it.insert(row);
        });
        row
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
