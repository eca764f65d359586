//! How long a stream takes to start: from the start of the process to its first message out, with modules of several
//! sizes, compiled before and not; and what loading costs beside compiling.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use wappa_wasm::{CACHE_BYTES_MAX, CodeCache, Engine, EngineConfig, Module};
use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, MemorySection, MemoryType, TypeSection, ValType,
};

use crate::{
    Result,
    cases::{Places, wappa},
    measure::Bench,
    process::median,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Modules: bytes of code and of data.
const MODULES: [(&str, usize, usize); 3] =
    [("2 KiB", 2 * KIB, 0), ("1 MiB", MIB, 0), ("30 MiB", 10 * MIB, 20 * MIB)];

/// What is loaded and compiled in this process.
const LOADED: usize = 2 * MIB;

/// Starts with a module in the cache, and without one.
const STARTS: usize = 15;
const COLD_STARTS: usize = 3;

/// One way to start, and how long it took.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) module: &'static str,
    pub(crate) cached_ms: f64,
    pub(crate) compiled_ms: Option<f64>,
}

/// Everything about starting.
#[derive(Debug)]
pub(crate) struct Starts {
    /// The first is the one without a module.
    pub(crate) starts: Vec<Start>,
    pub(crate) load_ms: f64,
    pub(crate) compile_ms: f64,
}

/// Measures all of it.
pub(crate) fn measure(bench: &Bench<'_>) -> Result<Starts> {
    let places = bench.places();
    let (n, n_cold) = if bench.options.quick { (2, 1) } else { (STARTS, COLD_STARTS) };
    let none = repeat(n, || first_message(places, None, &places.dir.join("no-cache")))?;
    let mut starts = vec![Start { module: "no module", cached_ms: none, compiled_ms: None }];
    for (name, code, data) in MODULES {
        if bench.options.quick && MIB < code {
            continue;
        }
        let module = places.dir.join("start.wasm");
        fs::write(&module, module_of(code, data))?;
        let cache = places.dir.join("cache");
        let compiled = repeat(n_cold, || {
            let _ = fs::remove_dir_all(&cache);
            first_message(places, Some(&module), &cache)
        })?;
        let cached = repeat(n, || first_message(places, Some(&module), &cache))?;
        fs::remove_dir_all(&cache)?;
        starts.push(Start { module: name, cached_ms: cached, compiled_ms: Some(compiled) });
    }
    let (load_ms, compile_ms) = load_and_compile(places, n)?;
    Ok(Starts { starts, load_ms, compile_ms })
}

fn repeat(n: usize, mut once: impl FnMut() -> Result<Duration>) -> Result<f64> {
    let times: Vec<f64> = (0..n).map(|_| once().map(|it| it.as_secs_f64() * 1e3)).collect::<Result<_>>()?;
    Ok(median(times.into_iter()))
}

/// From the start of the process to the first message out.
fn first_message(places: &Places, module: Option<&Path>, cache: &Path) -> Result<Duration> {
    let processors = module.map_or_else(String::new, |it| {
        format!(
            "pipeline:\n  threads: 1\n  processors: [{{ wasm: {{ module_path: {:?} }} }}]\n",
            it.display()
        )
    });
    let config: PathBuf = places.dir.join("start.yaml");
    fs::write(&config, format!("{processors}input: {{ stdin: {{}} }}\noutput: {{ stdout: {{}} }}\n"))?;
    let mut command = Command::new(wappa());
    command.arg("-c").arg(config).arg("--compile-cache").arg(cache);
    for limit in ["--compile-time-limit", "--compile-cpu-limit"] {
        command.args([limit, "10m"]);
    }
    command.args(["--compile-memory-limit", "8GiB"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().ok_or("it is piped")?;
    stdin.write_all(b"hello\n")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("it is piped")?).read_line(&mut line)?;
    let took = begun.elapsed();
    drop(stdin);
    child.wait()?;
    if line != "hello\n" {
        return Err(format!("the first message out was {line:?}").into());
    }
    Ok(took)
}

/// Milliseconds to load a module of 2 MiB from the cache, and to compile it.
fn load_and_compile(places: &Places, n: usize) -> Result<(f64, f64)> {
    let file = module_of(LOADED, 0);
    let path = places.dir.join("cache");
    let with_cache = || {
        let mut config = EngineConfig::default();
        config.cache = Some(Arc::new(CodeCache::new(&path, CACHE_BYTES_MAX)));
        Engine::new(config)
    };
    let load = |engine: &Engine| -> Result<Duration> {
        let begun = Instant::now();
        Module::new(engine, &file)?;
        Ok(begun.elapsed())
    };
    load(&with_cache()?)?;
    let loaded = repeat(n, || load(&with_cache()?))?;
    let compiled = repeat(1 + n / 5, || load(&Engine::new(EngineConfig::default())?))?;
    fs::remove_dir_all(&path)?;
    Ok((loaded, compiled))
}

/// A module with about so many bytes of code that is never called, and of data that is never read.
fn module_of(code_bytes: usize, data_bytes: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    let mut imports = ImportSection::new();
    imports.import("wappa", "v1_emit", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut exports = ExportSection::new();
    exports.export("process", ExportKind::Func, 1);
    exports.export("memory", ExportKind::Memory, 0);
    functions.function(0);
    let mut process = Function::new([]);
    process.instructions().end();
    code.function(&process);
    let mut seed = 1_i32;
    while code.byte_len() < code_bytes {
        functions.function(1);
        code.function(&busy(&mut seed));
    }
    let pages = data_bytes.div_ceil(65536) as u64 + 1;
    let mut memory = MemorySection::new();
    memory.memory(MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut data = DataSection::new();
    if 0 < data_bytes {
        let bytes = (0..data_bytes).map(|it| ((it * 2_654_435_761) >> 16) as u8);
        data.active(0, &ConstExpr::i32_const(0), bytes);
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memory).section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

/// A function as compilers make them: arithmetic, memory, a branch and a loop.
fn busy(seed: &mut i32) -> Function {
    let mut function = Function::new([(2, ValType::I32)]);
    let at = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 };
    let mut code = function.instructions();
    for _ in 0..8 {
        *seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        code.block(wasm_encoder::BlockType::Empty);
        code.loop_(wasm_encoder::BlockType::Empty);
        code.local_get(0).i32_const(*seed).i32_add().local_tee(2).i32_eqz().br_if(1);
        code.local_get(2).i32_const(0xfffc).i32_and().i32_load(at).local_get(1).i32_xor().local_set(3);
        code.local_get(2).i32_const(0xfffc).i32_and().local_get(3).i32_store(at);
        code.local_get(0).i32_const(1).i32_sub().local_tee(0).br_if(0);
        code.end().end();
    }
    code.local_get(2).local_get(3).i32_mul().end();
    function
}
