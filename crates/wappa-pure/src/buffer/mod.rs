//! Buffers without a foreign client, one file each.

components! {
    memory,
}

pub use memory::SERIES;
