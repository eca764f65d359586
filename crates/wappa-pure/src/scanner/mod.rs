//! Scanners, one file each.

components! {
    lines,
    to_the_end,
    chunker,
    csv,
    json_documents,
    re_match,
    skip_bom,
    switch,
    tar,
    decompress,
    xml_documents,
}

pub(crate) use self::tar::Tar;
pub(crate) use chunker::Chunker;
pub(crate) use csv::{Csv, Note, OnError, Width, lint_rows, syntax as csv_syntax};
pub(crate) use decompress::Decompress;
pub(crate) use lines::Lines;
pub(crate) use re_match::ReMatch;
pub(crate) use skip_bom::SkipBom;
pub(crate) use to_the_end::ToTheEnd;
