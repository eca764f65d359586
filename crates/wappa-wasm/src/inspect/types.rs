//! What an inspection says about imports, exports, memories and tables, in types of our own.
//!
//! The parser's types stay inside: its version follows the engine's, and users of this crate must not follow it.

use std::fmt;

use crate::interface::Signature;

/// What an import or an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Function(Signature),
    Memory,
    Table,
    Global,
    Tag,
}

impl Item {
    /// With its article, as sentences need it.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Item::Function(_) => "a function",
            Item::Memory => "a memory",
            Item::Table => "a table",
            Item::Global => "a global",
            Item::Tag => "an exception tag",
        }
    }

    pub(super) fn as_function(&self) -> Option<&Signature> {
        match self {
            Item::Function(signature) => Some(signature),
            _ => None,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Function(signature) => write!(f, "function {signature}"),
            other => f.write_str(other.noun().split_once(' ').expect("a noun has an article").1),
        }
    }
}

/// Something that the module needs from its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub module: String,
    pub name: String,
    pub item: Item,
}

/// Something that the module offers to its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub name: String,
    pub item: Item,
}

/// A linear memory, as the module declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// In pages of `page_bytes`.
    pub pages_min: u64,
    pub pages_max: Option<u64>,
    pub page_bytes: u64,
    pub is_imported: bool,
    pub is_shared: bool,
    pub is_64_bit: bool,
    /// Every name under which it is exported.
    pub exported_as: Vec<String>,
}

impl Memory {
    /// How large the memory is before the guest has run.
    pub fn bytes_min(&self) -> u64 {
        self.pages_min.saturating_mul(self.page_bytes)
    }
}

/// A table of references, as the module declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub elements_min: u64,
    pub elements_max: Option<u64>,
    pub is_imported: bool,
}

/// One entry of the `producers` section: what made the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    pub name: String,
    pub version: String,
}
