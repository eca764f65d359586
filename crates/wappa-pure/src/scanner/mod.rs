//! Scanners, one file each.

components! {
    lines,
    to_the_end,
    chunker,
}

pub(crate) use chunker::Chunker;
pub(crate) use lines::Lines;
pub(crate) use to_the_end::ToTheEnd;
