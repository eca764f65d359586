//! Modules: from a file's bytes to loaded code, compiled once per digest and shared.

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError},
};

use sha2::{Digest as _, Sha256};

use crate::{
    cache::CodeCache,
    compile::error::ModuleError,
    compile::load::Code,
    compile::load::{self, Compiled},
    engine::Engine,
    file::digest::{Digest, hex},
    file::footprint::Footprint,
};

/// A module whose code is loaded. Clones are one and the same.
#[derive(Clone)]
pub struct Module {
    pub(crate) loaded: Arc<Loaded>,
}

/// The code of a module, in the form of each allocator that can take it.
pub(crate) struct Loaded {
    digest: Digest,
    pub(crate) pooled: Option<Code>,
    compiled: Compiled,
    is_from_cache: bool,
    on_demand: OnceLock<Code>,
    /// The name by which memory 0 is exported.
    pub(crate) memory: Option<String>,
    pub(crate) footprint: Footprint,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("sha256", &self.sha256()).finish_non_exhaustive()
    }
}

impl Module {
    /// Loads a module from the bytes of its file, binary or text, compiling it unless the engine or its cache has it
    /// already.
    pub fn new(engine: &Engine, file: &[u8]) -> Result<Module, ModuleError> {
        Module::with_digest(engine, file, Sha256::digest(file).into())
    }

    /// As [`Module::new`], but refuses a file whose SHA-256 is another one than this, in hexadecimal digits.
    pub fn with_sha256(engine: &Engine, file: &[u8], expected: &str) -> Result<Module, ModuleError> {
        Module::with_digest_that_is(engine, file, Sha256::digest(file).into(), expected)
    }

    /// The same, of a file with this digest.
    pub(crate) fn with_digest_that_is(
        engine: &Engine,
        file: &[u8],
        digest: Digest,
        expected: &str,
    ) -> Result<Module, ModuleError> {
        let found = hex(&digest);
        if !found.eq_ignore_ascii_case(expected.trim()) {
            return Err(ModuleError::Digest { expected: expected.trim().into(), found });
        }
        Module::with_digest(engine, file, digest)
    }

    /// The module of a file with this digest, where somebody has it already.
    pub(crate) fn known(engine: &Engine, digest: &Digest) -> Option<Module> {
        let place = engine.module_place(digest);
        let loaded = place.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        loaded.map(|loaded| Module { loaded })
    }

    /// As [`Module::new`], of a file with this digest.
    pub(crate) fn with_digest(engine: &Engine, file: &[u8], digest: Digest) -> Result<Module, ModuleError> {
        let place = engine.module_place(&digest);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = place.upgrade() {
            return Ok(Module { loaded });
        }
        let cached = engine.cache().and_then(|it| Loaded::from_cache(engine, it, digest));
        let loaded = cached.map_or_else(|| Loaded::compile(engine, digest, file), Ok)?;
        // What was compiled is valid, and was found small enough before; what was kept may be from before there was a limit.
        let footprint = Footprint::of(file).map_err(|why| ModuleError::Unfit(format!("the module {why}")))?;
        let loaded = Arc::new(Loaded { footprint, ..loaded });
        *place = Arc::downgrade(&loaded);
        Ok(Module { loaded })
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&self.loaded.digest)
    }

    /// Whether the code was in the cache of the engine and nothing had to be compiled.
    pub fn is_from_cache(&self) -> bool {
        self.loaded.is_from_cache
    }

    /// Whether the code is in the cache of the engine, from before or from now on.
    pub fn is_kept(&self) -> bool {
        self.loaded.compiled.is_kept()
    }

    /// The size of the compiled code.
    pub fn code_bytes(&self) -> u64 {
        self.loaded.compiled.bytes()
    }
}

impl Loaded {
    /// What was compiled and kept before. It was valid then, so it is valid.
    fn from_cache(engine: &Engine, cache: &CodeCache, digest: Digest) -> Option<Loaded> {
        let code = cache.find(&digest)?;
        let loaded = Loaded::new(engine, digest, code, true);
        if let Err(err) = &loaded {
            cache.tell_refused(&digest, err);
        }
        loaded.ok()
    }

    fn compile(engine: &Engine, digest: Digest, file: &[u8]) -> Result<Loaded, ModuleError> {
        let code = engine.compiler().compile(file)?;
        let compiled = match engine.cache() {
            Some(cache) => cache.keep(&digest, code),
            None => Compiled::from_compiler(code),
        };
        Loaded::new(engine, digest, compiled, false)
    }

    fn new(
        engine: &Engine,
        digest: Digest,
        compiled: Compiled,
        is_from_cache: bool,
    ) -> Result<Loaded, ModuleError> {
        let pooled = engine.pooled().and_then(|side| load::load(&side.engine, &compiled).ok());
        let on_demand = OnceLock::new();
        let mut loaded = Loaded {
            digest,
            pooled,
            compiled,
            is_from_cache,
            on_demand,
            memory: None,
            footprint: Footprint::default(),
        };
        let code = match &loaded.pooled {
            Some(code) => code,
            None => loaded.on_demand(engine)?,
        };
        let memory = match code {
            Code::Core(wasm) => {
                wasm.exports().find(|it| it.ty().memory().is_some()).map(|it| it.name().to_string())
            }
            Code::Component(_) => None,
        };
        loaded.memory = memory;
        Ok(loaded)
    }

    /// The code for the on-demand engine, loaded when first asked for.
    pub(crate) fn on_demand(&self, engine: &Engine) -> Result<&Code, ModuleError> {
        if let Some(code) = self.on_demand.get() {
            return Ok(code);
        }
        let code = load::load(&engine.on_demand().engine, &self.compiled)?;
        Ok(self.on_demand.get_or_init(|| code))
    }
}
