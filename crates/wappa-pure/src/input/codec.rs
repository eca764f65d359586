//! The deprecated fields `codec` and `max_buffer` of inputs, which scanners replaced.

use wappa_component::{BuildError, Context, ScannerFactory};
use wappa_spec::{ComponentNode, Node, Reader, Rule};

use crate::scanner::{Chunker, Lines, ToTheEnd};

/// The bound of a line where `max_buffer` does not say otherwise.
const LINE_BYTES_MAX: i64 = 65536;

/// Codecs that Bento has and that need a scanner Wappa does not have yet; those with a parameter end in `:`.
const NOT_IN_WAPPA: &[&str] = &[
    "auto",
    "avro-ocf",
    "avro-ocf:",
    "csv",
    "csv:",
    "csv-gzip",
    "csv-safe",
    "csv-safe:",
    "gzip",
    "multipart",
    "pgzip",
    "regex:",
    "skipbom",
    "tar",
    "tar-gzip",
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

fn scanner_of(codec: &str, max_buffer: Option<i64>) -> Result<Box<dyn ScannerFactory>, CodecError<'_>> {
    let max_buffer = max_buffer.unwrap_or(LINE_BYTES_MAX);
    let unknown = |text: &str| Err(CodecError::Unknown(text.to_string()));
    match codec.split_once(':') {
        None if codec == "lines" => return Ok(Box::new(Lines::new(None, max_buffer, false))),
        None if codec == "all-bytes" => return Ok(Box::new(ToTheEnd)),
        Some(("delim", "")) => return unknown("custom delimiter codec requires a non-empty delimiter"),
        Some(("delim", delimiter)) if !delimiter.contains('/') => {
            return Ok(Box::new(Lines::new(Some(delimiter), max_buffer, false)));
        }
        Some(("chunker", size)) if !size.contains('/') => {
            let chunker = size.parse().ok().and_then(Chunker::new);
            let text = "invalid chunk size for chunker codec: it must be from 1 to 4294967294";
            return chunker.map_or_else(|| unknown(text), |it| Ok(Box::new(it) as Box<dyn ScannerFactory>));
        }
        _ => (),
    }
    let is_of_bento = |name: &str| {
        let with_parameter = name.split_once(':').map(|(name, _)| format!("{name}:"));
        let name = with_parameter.as_deref().unwrap_or(name);
        matches!(name, "lines" | "all-bytes" | "delim:" | "chunker:") || NOT_IN_WAPPA.contains(&name)
    };
    match codec.split('/').find(|it| !is_of_bento(it)) {
        Some(name) => Err(CodecError::Unknown(format!("codec was not recognised: {name}"))),
        None => Err(CodecError::NotInWappa(codec)),
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
            ("csv:;", "`csv:;` is a Bento codec that Wappa does not have yet"),
            ("gzip/lines", "`gzip/lines` is a Bento codec that Wappa does not have yet"),
            ("delim:x/multipart", "`delim:x/multipart` is a Bento codec that Wappa does not have yet"),
        ] {
            let text = scanner_of(codec, None).map_or_else(|err| err.text(), |_| String::new());
            assert_eq!(text, expected, "{codec}");
        }
    }
}
