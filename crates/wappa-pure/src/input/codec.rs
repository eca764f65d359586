//! The deprecated fields `codec` and `max_buffer` of inputs, which scanners replaced.

use wappa_bloblang::{Algorithm, go_regex};
use wappa_component::{BuildError, Context, Opened, ScannerFactory};
use wappa_spec::{ComponentNode, Node, Reader, Rule};

use crate::scanner::{Chunker, Csv, Decompress, Lines, ReMatch, SkipBom, Tar, ToTheEnd};

/// The bound of a line where `max_buffer` does not say otherwise.
const LINE_BYTES_MAX: i64 = 65536;

/// Codecs that Bento has and Wappa does not; those with a parameter end in `:`.
const NOT_IN_WAPPA: &[&str] = &["avro-ocf", "avro-ocf:", "multipart"];

/// Codecs that another one has to follow.
const FIRST: &[&str] = &["gzip", "pgzip", "skipbom"];

/// Codecs that nothing follows.
const LAST: &[&str] = &[
    "lines",
    "all-bytes",
    "csv",
    "csv-gzip",
    "csv-safe",
    "tar",
    "tar-gzip",
    "delim:",
    "chunker:",
    "csv:",
    "csv-safe:",
    "regex:",
];

/// The scanner that `codec` names, if it is set, else `scanner`; `max_buffer` has no effect without `codec`.
pub(super) fn scanner(
    codec: Option<&str>,
    max_buffer: Option<i64>,
    scanner: &ComponentNode,
    ctx: &mut Context<'_>,
) -> Result<Box<dyn ScannerFactory>, BuildError> {
    match codec {
        Some(codec) => scanner_of(codec, max_buffer).map_err(|err| BuildError::new(err.text())),
        None => ctx.scanner(scanner),
    }
}

/// Reports a codec that Wappa lacks, or nobody has, in the words in which Bento does not start with it.
pub(super) fn lint(codec: Option<&str>, node: &Node, reader: &mut Reader<'_>) {
    if let Some(Err(err)) = codec.map(|it| scanner_of(it, None)) {
        let rule = match err {
            CodecError::NotInWappa(_) => Rule::NotInWappa,
            CodecError::Unknown(_) => Rule::InvalidValue,
        };
        reader.error(rule, node.get("codec").unwrap_or(node), err.text());
    }
}

enum CodecError<'a> {
    NotInWappa(&'a str),
    Unknown(String),
}

impl CodecError<'_> {
    fn text(&self) -> String {
        match self {
            CodecError::NotInWappa(codec) => {
                format!("`{codec}` is a Bento codec that Wappa does not have yet")
            }
            CodecError::Unknown(text) => text.clone(),
        }
    }
}

/// Opens each source with the codec that its name says; `auto`.
struct ByName {
    max_buffer: Option<i64>,
}

impl ScannerFactory for ByName {
    fn open(&self, name: &str) -> Result<Opened, String> {
        let ends = |all: &[&str]| all.iter().any(|it| name.ends_with(it));
        let codec = match name {
            _ if ends(&[".tgz", ".tar.gz", ".tar.gzip"]) => "tar-gzip",
            _ if ends(&[".tar"]) => "tar",
            _ if ends(&[".csv"]) => "csv",
            _ if ends(&[".avro"]) => "avro-ocf",
            _ => "all-bytes",
        };
        scanner_of(codec, self.max_buffer)
            .map_err(|err| format!("failed to infer codec: {}", err.text()))?
            .open(name)
    }
}

fn scanner_of(codec: &str, max_buffer: Option<i64>) -> Result<Box<dyn ScannerFactory>, CodecError<'_>> {
    match codec {
        // It is none that follows another one.
        "auto" => Ok(Box::new(ByName { max_buffer })),
        _ => chain_of(codec, max_buffer),
    }
}

fn chain_of(codec: &str, max_buffer: Option<i64>) -> Result<Box<dyn ScannerFactory>, CodecError<'_>> {
    let unknown = |text: String| CodecError::Unknown(text);
    let (first, rest) = match codec {
        "csv-gzip" => ("gzip", Some("csv")),
        "tar-gzip" => ("gzip", Some("tar")),
        _ => match codec.split_once('/') {
            Some((first, rest)) if FIRST.contains(&first) => (first, Some(rest)),
            _ => (codec, None),
        },
    };
    if let Some(rest) = rest {
        let into = chain_of(rest, max_buffer).map_err(|err| match err {
            CodecError::NotInWappa(_) => CodecError::NotInWappa(codec),
            err => err,
        })?;
        return Ok(match first {
            "skipbom" => Box::new(SkipBom::new(into)),
            _ => Box::new(Decompress::new(Algorithm::Gzip, into)),
        });
    }
    let max_buffer = max_buffer.unwrap_or(LINE_BYTES_MAX);
    match codec.split_once(':') {
        None if codec == "lines" => return Ok(Box::new(Lines::new(None, max_buffer, false))),
        None if codec == "all-bytes" => return Ok(Box::new(ToTheEnd)),
        None if codec == "tar" => return Ok(Box::new(Tar)),
        None if codec == "csv" => return Ok(Box::new(Csv::of_codec("").map_err(unknown)?)),
        None if codec == "csv-safe" => return Ok(Box::new(Csv::of_safe_codec("").map_err(unknown)?)),
        Some(("csv", delimiter)) if !delimiter.contains('/') => {
            return Ok(Box::new(Csv::of_codec(delimiter).map_err(unknown)?));
        }
        Some(("csv-safe", delimiter)) if !delimiter.contains('/') => {
            return Ok(Box::new(Csv::of_safe_codec(delimiter).map_err(unknown)?));
        }
        Some(("delim", "")) => {
            return Err(unknown("custom delimiter codec requires a non-empty delimiter".to_string()));
        }
        Some(("delim", delimiter)) if !delimiter.contains('/') => {
            return Ok(Box::new(Lines::new(Some(delimiter), max_buffer, false)));
        }
        Some(("regex", pattern)) if !pattern.contains('/') => {
            let pattern = go_regex(pattern).map_err(unknown)?;
            return Ok(Box::new(ReMatch::new(pattern, max_buffer)));
        }
        Some(("chunker", size)) if !size.contains('/') => {
            let chunker = size.parse().ok().and_then(Chunker::new);
            let text = "invalid chunk size for chunker codec: it must be from 1 to 4294967294";
            let chunker = chunker.ok_or_else(|| unknown(text.to_string()))?;
            return Ok(Box::new(chunker));
        }
        _ => (),
    }
    let is_of_bento = |name: &str| {
        let with_parameter = name.split_once(':').map(|(name, _)| format!("{name}:"));
        let name = with_parameter.as_deref().unwrap_or(name);
        [NOT_IN_WAPPA, FIRST, LAST].iter().any(|it| it.contains(&name))
    };
    match codec.split('/').find(|it| !is_of_bento(it)) {
        Some(name) => Err(unknown(format!("codec was not recognised: {name}"))),
        None if FIRST.contains(&codec) => Err(unknown(format!("codec was not recognised: [{codec}]"))),
        None => match codec.split_once('/') {
            Some((first, rest))
                if LAST.iter().any(|it| first.starts_with(it)) && !rest.starts_with("multipart") =>
            {
                Err(unknown(format!("unable to follow codec '{first}' with '{rest}'")))
            }
            _ => Err(CodecError::NotInWappa(codec)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs() {
        for (codec, expected) in [
            ("lines", ""),
            ("all-bytes", ""),
            ("delim:||", ""),
            ("chunker:3", ""),
            ("chunker:0", "invalid chunk size for chunker codec: it must be from 1 to 4294967294"),
            ("delim:", "custom delimiter codec requires a non-empty delimiter"),
            ("nope", "codec was not recognised: nope"),
            ("gzip/nope", "codec was not recognised: nope"),
            ("csv:;", ""),
            ("csv", ""),
            ("csv-gzip", ""),
            ("gzip/csv:;", ""),
            ("gzip/lines", ""),
            ("skipbom/gzip/delim:x", ""),
            ("tar-gzip", ""),
            ("regex:(?m)^a", ""),
            ("gzip", "codec was not recognised: [gzip]"),
            ("lines/gzip", "unable to follow codec 'lines' with 'gzip'"),
            ("tar/lines", "unable to follow codec 'tar' with 'lines'"),
            ("auto", ""),
            ("csv-safe", ""),
            ("csv-safe:;", ""),
            ("gzip/csv-safe", ""),
            ("gzip/auto", "codec was not recognised: auto"),
            ("avro-ocf", "`avro-ocf` is a Bento codec that Wappa does not have yet"),
            ("delim:x/multipart", "`delim:x/multipart` is a Bento codec that Wappa does not have yet"),
        ] {
            let text = scanner_of(codec, None).map_or_else(|err| err.text(), |_| String::new());
            assert_eq!(text, expected, "{codec}");
        }
    }
}
