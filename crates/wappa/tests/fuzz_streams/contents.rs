//! Contents that somebody sends who means harm, a file of each kind.

use wappa_bloblang::Algorithm;

use crate::random::Random;

/// The names of the files.
pub(crate) const FILES: [&str; 7] = ["lines", "json", "deep", "bytes", "long", "packed", "empty"];

/// So many lines are in a file at the most.
pub(crate) const LINES: usize = 60;

const ODD: [&str; 14] = [
    "",
    "a",
    "\u{e4}\u{1f600}\u{202e}\u{2028}",
    "\u{1b}[2J\u{9b}31m",
    "a,b,\"c\nd\"",
    "../../outside",
    "/dev/full",
    "a\0b",
    "${! content() }",
    "12345678901234567890123",
    "1e400",
    "-0.0",
    "NaN",
    "\"\\ud800\"",
];

const DOCUMENTS: [&str; 10] = [
    r#"{"a":"foo","l":[1,{"b":2},[3]],"n":-5,"s":"x y"}"#,
    r#"[1,2.5,"x",null,true,{"a":[]}]"#,
    r#"{"a":{"a":{"a":{"a":[]}}},"a":1}"#,
    r#"{"":{"":""}," ":0,"a.b":1,"a~b":2}"#,
    r#"{"n":9223372036854775807,"l":[18446744073709551615,-9223372036854775808,1e308,1e-308]}"#,
    r#"{"s":"\u0000\u001f\u2028\ud83d\ude00","l":["a","a","b"]}"#,
    r#"{"n":1000000,"s":"xxxxxxxxxx","l":[3,1,2]}"#,
    "null",
    "\"text\"",
    "{\"a\":",
];

/// The bytes of one of [`FILES`].
pub(crate) fn content(random: &mut Random, name: &str) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for _ in 0..1 + random.below(LINES) {
        lines.push(match name {
            "json" => random.pick(&DOCUMENTS).into(),
            "bytes" => (0..random.below(80)).map(|_| random.below(256) as u8).collect(),
            _ => random.pick(&ODD).into(),
        });
    }
    match name {
        "deep" => {
            let depth = random.pick(&[100, 1000, 10_000, 200_000]);
            lines = vec![
                ("[".repeat(depth) + &"]".repeat(depth)).into(),
                (r#"{"a":"#.repeat(depth) + "0" + &"}".repeat(depth)).into(),
            ];
        }
        "long" => {
            let length = random.pick(&[65_535, 65_536, 65_537, 1_000_000, 4_000_000]);
            let item = random.pick(&["x", "0,", "\u{1}", r#"{"a":[]},"#]);
            lines = vec![format!("[{}0]", item.repeat(length / item.len())).into(), b"short".into()];
        }
        "packed" => return packed(random),
        "empty" => lines.clear(),
        _ => {}
    }
    lines.join(&b"\n"[..])
}

/// Archives and what is compressed, that claim or become much.
fn packed(random: &mut Random) -> Vec<u8> {
    let size = random.pick(&[10, 100_000, 100_000_000]);
    match random.below(6) {
        // Four bytes of zstd stand for 128 KiB.
        0 => {
            let blocks = b"\x02\x00\x10\n".repeat(random.pick(&[1, 1000, 20_000]));
            [b"\x28\xb5\x2f\xfd\x00\x80", blocks.as_slice(), b"\x01\x00\x00"].concat()
        }
        1 => {
            let algorithm =
                random.pick(&[Algorithm::Gzip, Algorithm::Zlib, Algorithm::Flate, Algorithm::Lz4]);
            algorithm.compress(&vec![random.pick(&[0, b'\n', b'[']); size], 9).expect("it can be compressed")
        }
        // As many members as there are blocks, one of them longer than it is.
        2 => {
            let claimed = random.pick(&[0, 5, 1 << 30]);
            [tar_header(0).repeat(random.pick(&[1, 1000])), tar_header(claimed)].concat()
        }
        3 => {
            let row = ",".repeat(size.min(4_000_000));
            format!("{row}\n{row}\n").into_bytes()
        }
        4 => format!("\"{}", "a\n".repeat(size.min(2_000_000))).into_bytes(),
        // Lengths of `binary` that are longer than all there is.
        _ => [u32::MAX.to_be_bytes(), [0, 0, 0, 1], *b"aaaa", u32::MAX.to_be_bytes()].concat(),
    }
}

/// The header of a file in a tar archive.
fn tar_header(size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..12].copy_from_slice(b"../../../etc");
    header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    let sum: u32 = header.iter().map(|it| u32::from(*it)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}
