//! Methods that compress and decompress.

use wappa_message::{Binary, Value};

use crate::{
    error::{Error, Result},
    formats::compression::Algorithm,
    registry::{
        Category, Constant, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::convert,
};

const fn new(name: &'static str, description: &'static str, body: MethodBody) -> Method {
    Method::new(name, Category::Encoding, description, body).unnamed()
}

/// What an algorithm keeps while it works: tables and windows, which are made anew for each text, in bytes.
const STATE_BYTES: usize = 384 << 10;

fn compress(args: Given<'_>) -> Result<PreparedMethod> {
    let (name, level) = (args.text(0), args.int(1));
    let Some(algorithm) = Algorithm::find(&name).filter(|it| it.compresses()) else {
        return Err(Error::new(format!("compression type not recognised: {name}")));
    };
    Ok(Box::new(move |machine, value| {
        let bytes = &convert::bytes(&value)?;
        // What cannot be compressed becomes a little longer.
        machine.budget().bytes(bytes.len().saturating_add(bytes.len() / 8).saturating_add(64))?;
        machine.budget().steps(bytes.len() as u64)?;
        machine.budget().walk(STATE_BYTES)?;
        let compressed = algorithm.compress(bytes, level).map_err(Error::new)?;
        Ok(Value::Bytes(Binary::from(compressed)))
    }))
}

fn decompress(args: Given<'_>) -> Result<PreparedMethod> {
    let name = args.text(0);
    let Some(algorithm) = Algorithm::find(&name) else {
        return Err(Error::new(format!("compression type not recognised: {name}")));
    };
    Ok(Box::new(move |machine, value| {
        let bytes = &convert::bytes(&value)?;
        let budget = machine.budget();
        budget.walk(STATE_BYTES)?;
        let mut charge = |n: usize| {
            budget.bytes(n)?;
            budget.steps(n as u64 / 8)
        };
        let decompressed = algorithm.decompress(bytes, &mut charge)?.map_err(Error::new)?;
        Ok(Value::Bytes(Binary::from(decompressed)))
    }))
}

pub(super) const METHODS: &[Method] = &[
    new("compress", "The text compressed, as bytes.", MethodBody::Prepared(compress))
        .params(&[
            Param::text("algorithm", "One of `flate`, `gzip`, `pgzip`, `lz4`, `snappy`, `zlib` and `zstd`."),
            Param::int(
                "level",
                "From 1, the fastest, to 9, the smallest; 0 compresses nothing, -1 leaves it to the algorithm. `lz4` and \
                 `snappy` have no levels, `zstd` has one.",
            )
            .or(Constant::Int(-1)),
        ])
        .examples(&[
            example(r#"root = this.a.repeat(100).compress("gzip").length() < 100"#, &[(r#"{"a":"hello"}"#, "true")]),
        ]),
    new("decompress", "What was compressed, as bytes.", MethodBody::Prepared(decompress))
        .params(&[Param::text(
            "algorithm",
            "One of `bzip2`, `flate`, `gzip`, `pgzip`, `lz4`, `snappy`, `zlib` and `zstd`.",
        )])
        .examples(&[example(r#"root = this.a.compress("zlib").decompress("zlib").string()"#, &[(
            r#"{"a":"hello"}"#,
            "hello",
        )])]),
];
