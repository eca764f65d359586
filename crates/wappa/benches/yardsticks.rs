//! The frozen yardsticks: plain programs that the stream is compared with. Each runs in a process of its own.
//!
//! They must not change. A yardstick that got faster or slower would move every ratio that was ever published; a better
//! program becomes a new yardstick beside these.

use std::{
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use wappa_message::Message;
use wappa_wasm::{Engine, EngineConfig, Guest, GuestConfig, Module, spawn_thread};

const BUFFER_BYTES: usize = 1 << 20;

/// How many messages, and how many bytes of them, the bare loop takes under one `CallContext`: what a parcel has.
const PART_MESSAGES: usize = 256;
const PART_BYTES: usize = 128 << 10;

/// Row (d'): reads, finds lines, appends each to a buffer, writes.
pub(crate) fn copy(inputs: &[PathBuf], output: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    lines(inputs, output, |_| {})
}

/// Row (d): the same, and upper-cases each line in the buffer.
pub(crate) fn upper(inputs: &[PathBuf], output: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    lines(inputs, output, <[u8]>::make_ascii_uppercase)
}

fn lines(
    inputs: &[PathBuf],
    output: &Path,
    change: impl Fn(&mut [u8]),
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut output = File::create(output)?;
    let mut out = Vec::with_capacity(2 * BUFFER_BYTES);
    let mut buffer = vec![0; BUFFER_BYTES];
    for path in inputs {
        let mut input = File::open(path)?;
        let mut filled = 0;
        loop {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            let n = input.read(&mut buffer[filled..])?;
            if n == 0 {
                break;
            }
            filled += n;
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
                let at = out.len();
                out.extend_from_slice(&buffer[start..end]);
                change(&mut out[at..]);
                out.push(b'\n');
                start = end + 1;
                if BUFFER_BYTES <= out.len() {
                    output.write_all(&out)?;
                    out.clear();
                }
            }
            buffer.copy_within(start..filled, 0);
            filled -= start;
        }
        if filled != 0 {
            let at = out.len();
            out.extend_from_slice(&buffer[..filled]);
            change(&mut out[at..]);
            out.push(b'\n');
        }
    }
    output.write_all(&out)?;
    Ok(())
}

/// Row (c): the module called in a bare loop. Content in, call, content out; no stream, no file but the first lines.
///
/// The lines are those at the beginning of `input`, again and again, until there were `count`.
pub(crate) fn bare_loop(module: &Path, input: &Path, count: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let module = fs::read(module)?;
    let lines = first_lines(input)?;
    let looping = move || run_loop(&module, &lines, count);
    spawn_thread("bare loop", looping)?.join().map_err(|_| "the bare loop panicked")?
}

fn first_lines(input: &Path) -> Result<Vec<Bytes>, Box<dyn Error + Send + Sync>> {
    let mut block = Vec::new();
    File::open(input)?.take(PART_BYTES as u64).read_to_end(&mut block)?;
    let block = Bytes::from(block);
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', &block).take(PART_MESSAGES) {
        lines.push(block.slice(start..end));
        start = end + 1;
    }
    if lines.is_empty() {
        return Err("the input has no line in its first 128 KiB".into());
    }
    Ok(lines)
}

fn run_loop(module: &[u8], lines: &[Bytes], count: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let engine = Engine::new(EngineConfig::default())?;
    let module = Module::new(&engine, module)?;
    let guest = Guest::new(&engine, &module, GuestConfig::default())?;
    let mut instance = guest.instantiate(Instant::now() + Duration::from_secs(10))?;
    let mut left = count;
    while 0 < left {
        let ctx = engine.enter()?;
        for line in lines {
            if left == 0 {
                break;
            }
            let mut message = Message::new(line.clone());
            instance.call(&mut message, &ctx)?;
            black_box(message.content());
            left -= 1;
        }
    }
    let ctx = engine.enter()?;
    let mut message = Message::new(lines[0].clone());
    instance.call(&mut message, &ctx)?;
    if message.content()[..] != lines[0].to_ascii_uppercase() {
        return Err("the guest did not upper-case".into());
    }
    Ok(())
}
