//! Modules: from a file's bytes to loaded code, compiled once per digest and shared.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, OnceLock, PoisonError},
};

use sha2::{Digest as _, Sha256};

use crate::{
    Engine, ModuleError,
    error::one_line,
    inspect, rewrite,
    wrap::{is_component, wrap},
};

/// SHA-256 of the file.
pub(crate) type Digest = [u8; 32];

/// A module whose code is loaded. Clones are one and the same.
#[derive(Clone)]
pub struct Module {
    pub(crate) loaded: Arc<Loaded>,
}

/// Code that can be linked.
pub(crate) enum Code {
    Core(wasmtime::Module),
    Component(wasmtime::component::Component),
}

impl Code {
    /// Whether a core module exports a function of this name.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        match self {
            Code::Core(wasm) => matches!(wasm.get_export(name), Some(wasmtime::ExternType::Func(_))),
            Code::Component(_) => false,
        }
    }
}

/// The code of a module, in the form of each allocator that can take it.
pub(crate) struct Loaded {
    digest: Digest,
    pub(crate) pooled: Option<Code>,
    code: Vec<u8>,
    is_component: bool,
    on_demand: OnceLock<Code>,
    /// The name by which memory 0 is exported.
    pub(crate) memory: Option<String>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("sha256", &self.sha256()).finish_non_exhaustive()
    }
}

impl Module {
    /// Loads a module from the bytes of its file, binary or text, compiling it unless the engine has it already.
    pub fn new(engine: &Engine, file: &[u8]) -> Result<Module, ModuleError> {
        let digest: Digest = Sha256::digest(file).into();
        let place = engine.module_place(&digest);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = place.upgrade() {
            return Ok(Module { loaded });
        }
        let loaded = Arc::new(Loaded::new(engine, digest, file)?);
        *place = Arc::downgrade(&loaded);
        Ok(Module { loaded })
    }

    /// As [`Module::new`], but refuses a file whose SHA-256 is another one than this, in hexadecimal digits.
    pub fn with_sha256(engine: &Engine, file: &[u8], expected: &str) -> Result<Module, ModuleError> {
        let found = sha256_of(file);
        if !found.eq_ignore_ascii_case(expected.trim()) {
            return Err(ModuleError::Digest { expected: expected.trim().into(), found });
        }
        Module::new(engine, file)
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&self.loaded.digest)
    }
}

impl Loaded {
    fn new(engine: &Engine, digest: Digest, file: &[u8]) -> Result<Loaded, ModuleError> {
        let binary = inspect::to_binary(file)?;
        let wrapped = wrap(&binary).map_err(ModuleError::Wrap)?;
        let is_component = is_component(&wrapped);
        let wasm = if is_component { wrapped } else { rewrite::export_memory(&wrapped) };
        validate(engine, &wasm, is_component)?;
        let code = engine.compiler().compile(&wasm)?;
        let pooled = engine.pooled().and_then(|side| load(&side.engine, &code, is_component).ok());
        let mut loaded =
            Loaded { digest, pooled, code, is_component, on_demand: OnceLock::new(), memory: None };
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
        let code = load(&engine.on_demand().engine, &self.code, self.is_component)?;
        Ok(self.on_demand.get_or_init(|| code))
    }
}

fn validate(engine: &Engine, wasm: &[u8], is_component: bool) -> Result<(), ModuleError> {
    let valid = if is_component {
        let mut validator = wasmparser::Validator::new_with_features(inspect::COMPONENT_FEATURES);
        validator.validate_all(wasm).map(drop).map_err(|err| err.to_string())
    } else {
        let valid = wasmtime::Module::validate(&engine.on_demand().engine, wasm);
        valid.map_err(|err| format!("{err:#}"))
    };
    valid.map_err(|text| ModuleError::Invalid(one_line(&text)))
}

#[allow(
    unsafe_code,
    reason = "compiled code is machine code: loading it is a matter of trust, not of checks"
)]
fn load(engine: &wasmtime::Engine, code: &[u8], is_component: bool) -> Result<Code, ModuleError> {
    // SAFETY: the code comes from the engine's compiler, whose contract (`Compile`) is to return what `precompile` of
    // this build returned for a module. Nobody else can put code here.
    let loaded = unsafe {
        if is_component {
            wasmtime::component::Component::deserialize(engine, code).map(Code::Component)
        } else {
            wasmtime::Module::deserialize(engine, code).map(Code::Core)
        }
    };
    loaded.map_err(|err| ModuleError::Load(one_line(&format!("{err:#}"))))
}

/// The SHA-256 of a file's bytes, in hexadecimal digits.
pub(crate) fn sha256_of(file: &[u8]) -> String {
    hex(&Sha256::digest(file).into())
}

fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
