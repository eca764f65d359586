//! How sizes and names are written. Names come from the module and are hostile: they are escaped and cut.

use wappa_spec::is_printable;

/// A size, rounded for reading: `1.9MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n}B");
    }
    let mut value = n as f64;
    let mut unit = 0;
    while unit < UNITS.len() && value >= 1024.0 {
        value /= 1024.0;
        unit += 1;
    }
    let unit = UNITS[unit - 1];
    if value.fract() < 0.05 || value >= 100.0 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

/// A number of bytes to the last one.
pub(crate) fn bytes_exact(n: u64) -> String {
    counted(n, "byte")
}

/// A number of things: `1 page`, `2 pages`.
pub(crate) fn counted(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// The smallest whole number of MiB that holds `n` bytes, as a config would say it.
pub(crate) fn mebibytes_up(n: u64) -> String {
    format!("{}MiB", n.div_ceil(1 << 20))
}

/// A name from the module, between backticks, without control characters and not too long.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", safe(name, 100))
}

/// `a`, `a and b`, `a, b and 3 more`: so many by name, and how many more there are.
pub(crate) fn enumerated(names: impl ExactSizeIterator<Item = String>, named_max: usize) -> String {
    let n = names.len();
    let mut names: Vec<String> = names.take(named_max).collect();
    if n > named_max {
        names.push(format!("{} more", n - named_max));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Text from the module without control characters, cut after so many characters.
pub(crate) fn safe(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == chars_max {
            out.push('…');
            break;
        }
        if is_printable(c) {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

/// Line breaks and whatever else is not printable would let a guest forge lines of the log.
pub(crate) fn one_line(text: &str) -> String {
    if text.chars().all(is_printable) {
        return text.to_string();
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    lines.join("; ").chars().map(|it| if is_printable(it) { it } else { '\u{fffd}' }).collect()
}

/// The same of a text that is not needed otherwise, which nearly always is the line already.
pub(crate) fn into_one_line(text: String) -> String {
    // Not one by one and up to the first: a reason is looked at for each message that fails.
    let is_plain = text.bytes().fold(true, |so_far, it| so_far & matches!(it, b' '..=b'~'));
    if is_plain { text } else { one_line(&text) }
}

/// How many single edits (insert, remove, replace, swap) turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The candidate that was probably meant, if any is close enough.
pub(crate) fn did_you_mean<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong. Longer names than anyone types cannot be meant, and would cost time.
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .filter(|it| it.len() <= 100 && wanted.len() <= 100)
        .map(|it| (distance(&wanted.to_lowercase(), &it.to_lowercase()), it))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}
