//! How long it takes to read a config with a thousand mappings, and to pass over a document.

use std::{fmt::Write as _, fs, hint::black_box, path::Path, process::Command, time::Instant};

use crate::{
    Result,
    process::{measured, median},
};

/// What was measured beside streams.
#[derive(Debug)]
pub(crate) struct Reading {
    /// How much longer a config with a thousand mappings takes to be read than one without, in milliseconds.
    pub(crate) thousand_ms: f64,
    /// What plain Rust passes over in a second, in units of 10⁹ bytes.
    pub(crate) skip_gigabytes: f64,
}

/// Measures both.
pub(crate) fn reading(dir: &Path, is_quick: bool) -> Result<Reading> {
    let runs = if is_quick { 3 } else { 21 };
    let (none, thousand) = (dir.join("none.yaml"), dir.join("thousand.yaml"));
    fs::write(&none, config(0)?)?;
    fs::write(&thousand, config(1000)?)?;
    let read = |config: &Path| -> Result<f64> {
        let mut all = Vec::new();
        for _ in 0..runs {
            let mut command = Command::new(env!("CARGO_BIN_EXE_wappa"));
            command.arg("lint").arg(config);
            all.push(measured(command)?.cpu.as_secs_f64() * 1000.0);
        }
        Ok(median(all.into_iter()))
    };
    let thousand_ms = read(&thousand)? - read(&none)?;
    let path = dir.join("skipped");
    crate::document::write(&path, 10_240, 100)?;
    let text = fs::read(path)?;
    let lines: Vec<&[u8]> = text.split(|it| *it == b'\n').filter(|it| !it.is_empty()).collect();
    let rounds = if is_quick { 1 } else { 100 };
    let mut all = Vec::new();
    for _ in 0..runs {
        let began = Instant::now();
        for _ in 0..rounds {
            for line in &lines {
                black_box(serde_json::from_slice::<serde::de::IgnoredAny>(black_box(line))?);
            }
        }
        all.push(began.elapsed().as_secs_f64());
    }
    let skip_gigabytes = (text.len() * rounds) as f64 / 1e9 / median(all.into_iter());
    Ok(Reading { thousand_ms, skip_gigabytes })
}

/// A config with so many mappings, each as people write them and no two the same.
fn config(n: usize) -> Result<String> {
    let mut text = "input: { stdin: {} }\npipeline:\n  processors:\n    - noop: {}\n".to_string();
    for idx in 0..n {
        write!(
            text,
            "    - mapping: |\n        root = this.without(\"password\", \"field_{idx}\")\n        \
             root.user.name = this.user.first_name.capitalize() + \" \" + this.user.last_name.uppercase()\n        \
             root.total = this.items.map_each(it -> it.price * it.count).sum().round()\n        \
             root.kind = match this.kind {{\n          \"a{idx}\" => \"first\",\n          this.length() > 10 => \"long\",\n          \
             _ => \"other\",\n        }}\n        meta key = \"%s-%d\".format(this.id, {idx})\n"
        )?;
    }
    text.push_str("output: { stdout: {} }\n");
    Ok(text)
}
