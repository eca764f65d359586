//! What an inspection says about imports, exports, memories and tables, in types of our own.
//!
//! The parser's types stay inside: its version follows the engine's, and users of this crate must not follow it.

use std::fmt;

/// The type of a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// A reference to a function, an object of the host, …
    Reference,
}

impl From<wasmparser::ValType> for ValueType {
    fn from(ty: wasmparser::ValType) -> ValueType {
        match ty {
            wasmparser::ValType::I32 => ValueType::I32,
            wasmparser::ValType::I64 => ValueType::I64,
            wasmparser::ValType::F32 => ValueType::F32,
            wasmparser::ValType::F64 => ValueType::F64,
            wasmparser::ValType::V128 => ValueType::V128,
            wasmparser::ValType::Ref(_) => ValueType::Reference,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::I32 => "i32",
            ValueType::I64 => "i64",
            ValueType::F32 => "f32",
            ValueType::F64 => "f64",
            ValueType::V128 => "v128",
            ValueType::Reference => "ref",
        })
    }
}

/// The type of a function; prints as `(i32, i32) -> i64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub params: Vec<ValueType>,
    pub results: Vec<ValueType>,
}

impl Signature {
    /// Reads the notation of our tables: a letter a value (`i` is i32, `I` is i64), parameters and results
    /// separated by a colon.
    pub(super) fn from_letters(letters: &str) -> Signature {
        let values = |part: &str| {
            part.chars().map(|c| if c == 'I' { ValueType::I64 } else { ValueType::I32 }).collect::<Vec<_>>()
        };
        let (params, results) = letters.split_once(':').expect("our tables have a colon in every entry");
        Signature { params: values(params), results: values(results) }
    }
}

impl From<&wasmparser::FuncType> for Signature {
    fn from(ty: &wasmparser::FuncType) -> Signature {
        Signature {
            params: ty.params().iter().map(|&ty| ty.into()).collect(),
            results: ty.results().iter().map(|&ty| ty.into()).collect(),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        list(f, &self.params)?;
        f.write_str(")")?;
        match self.results.as_slice() {
            [] => Ok(()),
            [one] => write!(f, " -> {one}"),
            many => {
                f.write_str(" -> (")?;
                list(f, many)?;
                f.write_str(")")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, types: &[ValueType]) -> fmt::Result {
    for (n, ty) in types.iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{ty}")?;
    }
    Ok(())
}

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
