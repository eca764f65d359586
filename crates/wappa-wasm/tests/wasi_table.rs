//! The table of WASI functions that the inspection checks imports against, held against the engine's own linker.

use wappa_wasm::inspect::{ACCEPTED_FEATURES, ValueType, WASI_MODULE, provided_functions};
use wasmparser::WasmFeatures;
use wasmtime::{Config, Engine, Linker, Module};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::WASM3.difference(ACCEPTED_FEATURES), false);
    Engine::new(&config).expect("the accepted features make an engine")
}

#[test]
fn every_wasi_function_links_with_its_type() {
    let mut wat = "(module ".to_owned();
    let wasi = provided_functions().filter(|(module, _, _)| *module == WASI_MODULE);
    for (module, name, signature) in wasi {
        let list = |types: &[ValueType]| types.iter().map(|ty| format!("{ty} ")).collect::<String>();
        let (params, results) = (list(&signature.params), list(&signature.results));
        wat += &format!("(import \"{module}\" \"{name}\" (func (param {params}) (result {results})))");
    }
    let engine = engine();
    let wasm = wat::parse_str(wat + ")").expect("valid text");
    let module = Module::new(&engine, wasm).expect("a valid module");
    assert_eq!(module.imports().len(), 46);
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    add_to_linker_sync(&mut linker, |ctx| ctx).expect("WASI links");
    linker.instantiate_pre(&module).map(|_| ()).expect("every import is there with that type");
}

#[test]
fn the_engine_can_refuse_what_the_inspection_refuses() {
    let engine = engine();
    let is_valid = |wat: &str| Module::validate(&engine, &wat::parse_str(wat).expect("valid text")).is_ok();
    for wat in [
        "(module (memory i64 1))",
        "(module (memory 1) (memory 1))",
        "(module (memory 1 2 shared))",
        "(module (func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0))))",
        "(module (func try catch_all end))",
    ] {
        assert!(!is_valid(wat), "{wat}");
    }
    assert!(is_valid("(module (func $f return_call $f) (global i32 (i32.add (i32.const 1) (i32.const 2))))"));
}
