//! Metrics as a service shows them: in the text of Prometheus, or as one object of JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Labels, ordered by name.
pub(super) type Labels = Vec<(String, String)>;

/// What series hold, by name and labels. A quantile is a series with the label `quantile`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Samples(BTreeMap<(String, Labels), f64>);

impl Samples {
    /// Reads a page; the error says what is wrong with it.
    pub(super) fn read(page: &str) -> Result<Samples, String> {
        if page.trim_start().starts_with('{') {
            return of_json(page);
        }
        let mut samples = BTreeMap::new();
        for line in page.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
            let unreadable = || {
                let begin: String = line.chars().take(80).collect();
                format!("this is no metric: {begin:?}")
            };
            let (key, rest) = series(line).ok_or_else(unreadable)?;
            let value = rest.split_whitespace().next().and_then(number).ok_or_else(unreadable)?;
            samples.insert(key, value);
        }
        Ok(Samples(samples))
    }

    /// All of one name.
    pub(super) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        let first = (name.to_string(), Labels::new());
        self.0
            .range(first..)
            .take_while(move |it| it.0.0 == name)
            .map(|((_, labels), value)| (labels, *value))
    }

    /// What a label says, of all series.
    pub(super) fn values_of(&self, label: &str) -> BTreeSet<&str> {
        let labels = self.0.keys().flat_map(|(_, labels)| labels);
        labels.filter(|(name, _)| name == label).map(|(_, value)| value.as_str()).collect()
    }

    /// The one of this name and these labels, if there is one.
    pub(super) fn get(&self, name: &str, labels: &Labels) -> Option<f64> {
        self.0.get(&(name.to_string(), labels.clone())).copied()
    }

    /// The quantile of a timing.
    pub(super) fn quantile(&self, name: &str, labels: &Labels, quantile: &str) -> Option<f64> {
        let mut labels = labels.clone();
        labels.push(("quantile".to_string(), quantile.to_string()));
        labels.sort();
        self.get(name, &labels).filter(|it| it.is_finite())
    }
}

/// A number as Prometheus writes it.
fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

/// A name with its labels in braces, and what is behind that.
fn series(line: &str) -> Option<((String, Labels), &str)> {
    let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    if name.is_empty() {
        return None;
    }
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start_matches([',', ' ']);
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.push((label.trim().to_string(), value));
            rest = behind.trim_start_matches([',', ' ']);
        }
        rest = &rest[1..];
    }
    labels.sort();
    Some(((name.to_string(), labels), rest))
}

/// What stands before a quote, without its escapes, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn of_json(page: &str) -> Result<Samples, String> {
    let page: Value = serde_json::from_str(page).map_err(|err| format!("the page cannot be read: {err}"))?;
    let mut samples = BTreeMap::new();
    for (name, value) in page.as_object().into_iter().flatten() {
        let Some(((name, labels), _)) = series(name) else {
            return Err(format!("this is no metric: {name:?}"));
        };
        if let Some(value) = value.as_f64() {
            samples.insert((name, labels), value);
            continue;
        }
        for (of, quantile) in [("p50", "0.5"), ("p90", "0.9"), ("p99", "0.99")] {
            if let Some(value) = value.get(of).and_then(Value::as_f64) {
                let mut labels = labels.clone();
                labels.push(("quantile".to_string(), quantile.to_string()));
                labels.sort();
                samples.insert((name.clone(), labels), value);
            }
        }
    }
    Ok(Samples(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a Wappa Counter metric\n# TYPE a counter\na{label=\"x\\\"\\\\\\n}\",path=\"p\"} 3\n\
                        b_ns{path=\"p\",quantile=\"0.5\"} 1.5e+06\nb_ns{path=\"q\",quantile=\"0.5\"} NaN\nc 7\n";

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn both_forms_are_read() {
        let text = Samples::read(TEXT).expect("it is one");
        assert_eq!(text.get("a", &labels(&[("label", "x\"\\\n}"), ("path", "p")])), Some(3.0));
        assert_eq!(text.quantile("b_ns", &labels(&[("path", "p")]), "0.5"), Some(1.5e6));
        assert_eq!(text.quantile("b_ns", &labels(&[("path", "q")]), "0.5"), None);
        assert_eq!(text.get("c", &labels(&[])), Some(7.0));
        assert_eq!(text.of("a").count(), 1);
        assert_eq!(text.values_of("path"), BTreeSet::from(["p", "q"]));
        let json = r#"{"a{label=\"x\\\"\\\\\\n}\",path=\"p\"}":3,"b_ns{path=\"p\"}":{"p50":1500000,"p90":2,"p99":3},"c":7}"#;
        let json = Samples::read(json).expect("it is one");
        assert_eq!(json.get("a", &labels(&[("label", "x\"\\\n}"), ("path", "p")])), Some(3.0));
        assert_eq!(json.quantile("b_ns", &labels(&[("path", "p")]), "0.5"), Some(1.5e6));
    }

    #[test]
    fn whatever_comes_is_read_or_refused() {
        for wrong in ["<html>", "a{b=\"", "a{b=\"c\\", "a{b} 1", "a{b=\"c\"", "a x", "{\"a{b\":1}", "{", " 1"]
        {
            assert!(Samples::read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Samples::read(""), Ok(Samples::default()));
    }
}
