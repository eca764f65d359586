//! Where the parts of a picture are: in columns from left to right, each behind all that lead to it.

use std::{collections::BTreeSet, ops::Range};

use super::flow::{Flow, Role, Way};

const MARGIN: usize = 20;

/// How large parts are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) height: usize,
    /// From the top of a part to that of the one below.
    pub(super) row: usize,
    pub(super) width_min: usize,
    /// Between columns, at least.
    pub(super) gap: usize,
    /// About how wide a character is, of names and of labels.
    pub(super) character: usize,
}

/// Where a part is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
}

/// How a way runs: in the words of SVG's paths.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) path: String,
    /// Where its text ends.
    pub(super) text_at: (usize, usize),
}

/// Where all of it is.
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) places: Vec<Place>,
    /// Those of the ways.
    pub(super) lines: Vec<Line>,
}

impl Layout {
    pub(super) fn of(flow: &Flow, sizes: Sizes) -> Layout {
        let Sizes { height, row: row_height, width_min, gap, character } = sizes;
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
            (part.name.chars().count().max(part.label.chars().count()) * character + 28).max(width_min)
        };
        let mut widths = vec![0; n_columns];
        let mut gaps = vec![gap; n_columns];
        for id in (0..n_parts).filter(|it| !is_below(*it)) {
            widths[columns[id]] = widths[columns[id]].max(width(id));
        }
        for (way, pass) in flow.ways.iter().zip(&pass_rows).filter(|(it, _)| !it.is_use) {
            let column = if pass.is_some() { columns[way.from] + 1 } else { columns[way.to] };
            if !way.text.is_empty() {
                gaps[column] = gaps[column].max(way.text.chars().count() * 7 + 40);
            }
        }
        let mut lefts = Vec::new();
        let mut x = MARGIN;
        for (column, (width, gap)) in widths.iter().zip(&gaps).enumerate() {
            x += if 0 < column { *gap } else { 0 };
            lefts.push(x);
            x += width;
        }
        let n_rows = grid.taken.iter().filter_map(|it| it.last()).max().map_or(0, |it| it + 1);
        let bottom = MARGIN + n_rows * row_height + 24;
        let mut x = MARGIN;
        let mut places = Vec::new();
        for id in 0..n_parts {
            if is_below(id) {
                places.push(Place { x, y: bottom, width: width(id) });
                x += width(id) + 24;
            } else {
                let column = columns[id];
                places.push(Place {
                    x: lefts[column],
                    y: MARGIN + rows[id] * row_height,
                    width: widths[column],
                });
            }
        }
        let pass = |(way, row): (&Way, &Option<usize>)| {
            row.map(|row| {
                let last = columns[way.to] - 1;
                let left = lefts[columns[way.from] + 1];
                (left, lefts[last] + widths[last], MARGIN + row * row_height + height / 2)
            })
        };
        let passes: Vec<_> = flow.ways.iter().zip(&pass_rows).map(pass).collect();
        let line = |(way, pass)| line_of(way, pass, &places, height);
        let right = places.iter().map(|it| it.x + it.width).max().unwrap_or_default() + MARGIN;
        let passed = passes.iter().flatten().map(|it| it.2);
        let bottom =
            places.iter().map(|it| it.y + height).chain(passed).max().unwrap_or_default() + 2 * MARGIN;
        Layout {
            width: right,
            height: bottom,
            lines: flow.ways.iter().zip(&passes).map(line).collect(),
            places,
        }
    }
}

/// Straight from part to part, or with what runs straight over other columns, from left to right at a height.
fn line_of(way: &Way, pass: &Option<(usize, usize, usize)>, places: &[Place], height: usize) -> Line {
    let (from, to) = (places[way.from], places[way.to]);
    if way.is_use {
        return Line { path: use_of(from, to, height), text_at: (to.x, to.y) };
    }
    let (x1, y1) = (from.x + from.width, from.y + height / 2);
    let (x2, y2) = (to.x, to.y + height / 2);
    let path = match pass {
        None => format!("M{x1} {y1} {}", curve(x1, y1, x2, y2)),
        Some((left, right, y)) => {
            format!("M{x1} {y1} {} H{right} {}", curve(x1, y1, *left, *y), curve(*right, *y, x2, y2))
        }
    };
    // Beside the part that it leads to, or where it begins to run straight.
    let (x, y) = pass.map_or((x2, y2), |(left, _, y)| (left, y));
    Line { path, text_at: (x.saturating_sub(10), y.saturating_sub(7)) }
}

fn curve(x1: usize, y1: usize, x2: usize, y2: usize) -> String {
    let middle = x1.midpoint(x2);
    format!("C{middle} {y1} {middle} {y2} {x2} {y2}")
}

/// The line to a resource: down to it, or below both where both are.
fn use_of(from: Place, to: Place, height: usize) -> String {
    let (x1, y1, x2) = (from.x + from.width / 2, from.y + height, to.x + to.width / 2);
    match from.y == to.y {
        true => format!("M{x1} {y1} C{x1} {0} {x2} {0} {x2} {1}", y1 + 34, to.y + height),
        false => format!("M{x1} {y1} C{x1} {} {x2} {} {x2} {}", y1 + 30, to.y.saturating_sub(30), to.y),
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
