//! The deprecated field `codec` of streams, which scanners replaced.

use wappa_component::{BuildError, Context, ScannerFactory};
use wappa_spec::{ComponentKind, ComponentNode, yaml};

/// The bound of a line where `max_buffer` does not say otherwise.
const LINE_BYTES_MAX: i64 = 1_000_000;

/// The scanner that `codec` names, if it is set, else `scanner`.
pub(crate) fn scanner(
    codec: Option<&str>,
    max_buffer: Option<i64>,
    scanner: &ComponentNode,
    ctx: &mut Context<'_>,
) -> Result<Box<dyn ScannerFactory>, BuildError> {
    let Some(codec) = codec else { return ctx.scanner(scanner) };
    let text = scanner_of(codec, max_buffer.unwrap_or(LINE_BYTES_MAX)).map_err(BuildError::new)?;
    let node = yaml::parse(&text).map_err(|_| BuildError::new(unknown(codec)))?.node;
    let node = ComponentNode::read_again(ComponentKind::Scanner, &node, ctx.registry());
    ctx.scanner(&node.ok_or_else(|| BuildError::new(unknown(codec)))?)
}

fn unknown(codec: &str) -> String {
    format!("codec was not recognised: {codec}")
}

/// What a codec is as a scanner, as a config would write it; the error is that Wappa does not have it, or nobody does.
pub(crate) fn scanner_of(codec: &str, max_buffer: i64) -> Result<String, String> {
    let into = |rest: &str| scanner_of(rest, max_buffer);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    if let Some((first, rest)) = codec.split_once('/') {
        match first {
            "gzip" | "pgzip" => {
                return Ok(format!("{{decompress: {{algorithm: gzip, into: {}}}}}", into(rest)?));
            }
            "skipbom" => return Ok(format!("{{skip_bom: {{into: {}}}}}", into(rest)?)),
            _ => (),
        }
    }
    match codec.split_once(':') {
        None if codec == "lines" => Ok(format!("{{lines: {{max_buffer_size: {max_buffer}}}}}")),
        None if codec == "all-bytes" => Ok("{to_the_end: {}}".to_string()),
        None if codec == "csv" => Ok("{csv: {}}".to_string()),
        None if codec == "tar" => Ok("{tar: {}}".to_string()),
        Some(("delim", it)) if !it.is_empty() => {
            Ok(format!("{{lines: {{custom_delimiter: {}, max_buffer_size: {max_buffer}}}}}", quoted(it)))
        }
        Some(("csv", it)) if !it.is_empty() => Ok(format!("{{csv: {{custom_delimiter: {}}}}}", quoted(it))),
        Some(("chunker", it)) if it.parse::<u64>().is_ok() => Ok(format!("{{chunker: {{size: {it}}}}}")),
        Some(("regex", it)) if !it.is_empty() => {
            Ok(format!("{{re_match: {{pattern: {}, max_buffer_size: {max_buffer}}}}}", quoted(it)))
        }
        _ => Err(unknown(codec)),
    }
}
