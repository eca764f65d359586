//! What compiled code depends on beside the file of the module.

use std::{
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use sha2::{Digest as _, Sha256};

use super::Digest;
use crate::compile::settings::compile_settings;

/// What is done to a file before it is compiled: text becomes binary, a memory becomes
/// exported, a core module with the types of a component becomes one. Whoever changes what
/// comes out of that counts this up, or code of the old kind is found; a test compares what comes out.
const PREPARATION: u32 = 1;

/// One digest of the engine's version and settings, of the machine, and of what is done to a file before it is
/// compiled.
pub(super) fn recipe() -> &'static Digest {
    static RECIPE: OnceLock<Digest> = OnceLock::new();
    RECIPE.get_or_init(|| {
        let mut hasher = Sha256Hasher(Sha256::new());
        (env!("CARGO_PKG_VERSION"), PREPARATION).hash(&mut hasher);
        match wasmtime::Engine::new(&compile_settings()) {
            Ok(engine) => engine.precompile_compatibility_hash().hash(&mut hasher),
            // Then nothing will be compiled or loaded either, and whoever tries says why.
            Err(err) => err.to_string().hash(&mut hasher),
        }
        hasher.0.finalize().into()
    })
}

/// The hashers of the standard library promise nothing from one release to the next.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(*digest.first_chunk().expect("a digest is longer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{file::format::to_binary, file::rewrite::export_memory, file::wrap::wrap};

    /// When this fails, what is compiled of a file has changed: count [`PREPARATION`] up, and then change the digest.
    #[test]
    fn preparation_is_what_its_number_says() {
        let modules = [
            "(module (memory 1))",
            "(module (memory (export \"memory\") 1) (func (export \"process\")))",
            "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (memory (export \"m\") 1))",
        ];
        let mut hasher = Sha256::new();
        for module in modules {
            let binary = to_binary(module.as_bytes()).expect("it is a module");
            hasher.update(export_memory(&binary));
        }
        hasher.update(wrap(&with_types()).expect("it has the types"));
        let found = crate::file::digest::hex(&hasher.finalize().into());
        expect_test::expect!["1: 0d994da01dbbb2598675190f83565a109b9b2da2553e4c0b1dcd5139bbee0cc7"]
            .assert_eq(&format!("{PREPARATION}: {found}"));
    }

    /// A core module that carries the types of a component, and uses WASI preview 1.
    fn with_types() -> Vec<u8> {
        let module = "(module
            (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))
            (memory (export \"memory\") 1)
            (func (export \"run\")))";
        let mut module = to_binary(module.as_bytes()).expect("it is a module").into_owned();
        let mut resolve = wit_parser::Resolve::default();
        let package =
            resolve.push_str("a.wit", "package a:b; world w { export run: func(); }").expect("it is WIT");
        let world = resolve.select_world(&[package], Some("w")).expect("it is there");
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).expect("it fits");
        module
    }

    #[test]
    fn the_recipe_is_the_same_each_time() {
        let of_settings = || {
            let engine = wasmtime::Engine::new(&compile_settings()).expect("the settings fit together");
            let mut hasher = Sha256Hasher(Sha256::new());
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        assert_eq!(of_settings(), of_settings());
        assert_eq!(recipe(), recipe());
    }
}
