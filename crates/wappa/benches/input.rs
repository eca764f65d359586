//! Makes the input, and compares the output with it.

use std::{
    fs::File,
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use crate::Result;

const BLOCK_BYTES: usize = 1 << 20;

/// Letters of both cases, digits and some punctuation, so that upper-casing changes about half of the bytes.
const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzabcdefghijABCDEFGHIJKLMNOP0123456789 ,";

/// Writes `count` lines of `size` bytes each, the same ones in every run.
pub(crate) fn write(path: &Path, size: usize, count: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(BLOCK_BYTES, File::create(path)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut line = vec![b'\n'; size + 1];
    for _ in 0..count {
        for eight in line[..size].chunks_mut(8) {
            // xorshift64*: no seed from outside, no dependency.
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let mut random = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
            for byte in eight {
                *byte = ALPHABET[(random & 63) as usize];
                random >>= 8;
            }
        }
        file.write_all(&line)?;
    }
    file.flush()?;
    Ok(())
}

/// Whether `output` is `inputs` one after the other, in capitals if `is_upper`.
pub(crate) fn check(output: &Path, inputs: &[PathBuf], is_upper: bool) -> Result<()> {
    let mut output = File::open(output)?;
    let mut expected = vec![0; BLOCK_BYTES];
    let mut found = vec![0; BLOCK_BYTES];
    for input in inputs {
        let mut input = File::open(input)?;
        loop {
            let n = input.read(&mut expected)?;
            if n == 0 {
                break;
            }
            if is_upper {
                expected[..n].make_ascii_uppercase();
            }
            output.read_exact(&mut found[..n])?;
            if expected[..n] != found[..n] {
                return Err("the output is not what it should be".into());
            }
        }
    }
    Ok(())
}
