//! The same work by hand: a plain program that parses each line into a value of `serde_json`, does what is to be done, and
//! prints it. Frozen as the yardsticks of the other benchmark are.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    path::PathBuf,
};

use regex::Regex;
use serde_json::{Value, json};

use crate::Result;

/// A line of a log of web servers, as far as its fields matter.
pub(crate) const LINE: &str =
    r"^(?P<ip>\S+) \S+ \S+ \[(?P<at>[^\]]+)\] .(?P<method>[A-Z]+) (?P<path>\S+) \S+ (?P<status>[0-9]+)";

const BUFFER_BYTES: usize = 1 << 20;

/// What is done with a line; says whether anything of it is kept.
type Work = dyn Fn(&[u8], &mut Vec<u8>) -> Result<bool>;

/// What is to be done, the input and the output.
pub(crate) fn run(args: &[OsString]) -> Result<()> {
    let [word, input, output] = args else { return Err("three arguments are needed".into()) };
    let regex = Regex::new(LINE)?;
    let work: Box<Work> = match word.to_str() {
        Some("rename") => Box::new(rename),
        Some("filter") => Box::new(filter),
        Some("enrich") => Box::new(enrich),
        Some("map_each") => Box::new(map_each),
        Some("parse") => Box::new(move |line, out| parse(line, &regex, out)),
        _ => return Err("nothing of that name is done by hand".into()),
    };
    lines(&PathBuf::from(input), &PathBuf::from(output), work.as_ref())
}

/// Reads, finds lines, works on each, writes.
fn lines(input: &PathBuf, output: &PathBuf, work: &Work) -> Result<()> {
    let (mut input, mut output) = (File::open(input)?, File::create(output)?);
    let mut out = Vec::with_capacity(2 * BUFFER_BYTES);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let n = input.read(&mut buffer[filled..])?;
        if n == 0 {
            break;
        }
        filled += n;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
            if work(&buffer[start..end], &mut out)? {
                out.push(b'\n');
            }
            start = end + 1;
            if BUFFER_BYTES <= out.len() {
                output.write_all(&out)?;
                out.clear();
            }
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
    output.write_all(&out)?;
    Ok(())
}

fn rename(line: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let mut value: Value = serde_json::from_slice(line)?;
    let object = value.as_object_mut().ok_or("no object")?;
    object.remove("message");
    if let Some(kind) = object.remove("type") {
        object.insert("kind".to_string(), kind);
    }
    serde_json::to_writer(out, &value)?;
    Ok(true)
}

fn filter(line: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let value: Value = serde_json::from_slice(line)?;
    let is_kept = value["type"] != "x";
    if is_kept {
        // What stays is not printed again.
        out.extend_from_slice(line);
    }
    Ok(is_kept)
}

fn enrich(line: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let mut value: Value = serde_json::from_slice(line)?;
    let object = value.as_object_mut().ok_or("no object")?;
    let id: [u8; 16] = rand::random();
    let hex: String = id.iter().map(|it| format!("{it:02x}")).collect();
    object.insert("id".to_string(), Value::String(hex));
    object.insert("at".to_string(), Value::String(jiff::Timestamp::now().to_string()));
    serde_json::to_writer(out, &value)?;
    Ok(true)
}

fn map_each(line: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let value: Value = serde_json::from_slice(line)?;
    let number = |it: &Value| match it.as_str() {
        Some("new") => 1,
        Some("sale") => 2,
        _ => 0,
    };
    let tags: Vec<i32> = value["tags"].as_array().ok_or("no list")?.iter().map(number).collect();
    serde_json::to_writer(out, &json!({"tags": tags, "type": value["type"]}))?;
    Ok(true)
}

fn parse(line: &[u8], regex: &Regex, out: &mut Vec<u8>) -> Result<bool> {
    let value: Value = serde_json::from_slice(line)?;
    let captures = regex.captures(value["line"].as_str().ok_or("no text")?).ok_or("it does not match")?;
    let mut object = serde_json::Map::new();
    for (idx, name) in regex.capture_names().enumerate() {
        let name = name.map_or_else(|| idx.to_string(), str::to_string);
        object.insert(name, Value::String(captures[idx].to_string()));
    }
    serde_json::to_writer(out, &Value::Object(object))?;
    Ok(true)
}
