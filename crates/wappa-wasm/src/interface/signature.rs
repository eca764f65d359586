//! Types of functions, in types of our own: the version of the parser follows the engine's, and users of this crate must
//! not follow it.

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
    pub(crate) fn from_letters(letters: &str) -> Signature {
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
