//! What guests and hosts agree on: the names of functions and their types, versions and features of each tier. Nothing here
//! knows a module, or the engine.

mod features;
mod functions;
mod level;
mod signature;
mod world;

pub(crate) use features::ENGINE_FEATURES;
pub use features::{ACCEPTED_FEATURES, COMPONENT_FEATURES};
pub(crate) use functions::{CLOSE, HOOKS, INIT, NOTHING_TO_DO, V1_SINCE, functions_of, since};
pub use functions::{V0_MODULES, V1_MODULE, WASI_MODULE, provided_functions};
pub use level::Level;
pub use signature::{Signature, ValueType};
pub use world::{WORLD_PACKAGE, WORLD_VERSION};
pub(crate) use world::{WORLD_VERSIONS, is_ungranted};
