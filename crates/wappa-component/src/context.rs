//! What a component may use while it is built. There are no globals.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_spec::{ComponentNode, Registry};

use crate::{
    BuildError, Cache, Input, InputBell, Logger, Metrics, Output, OutputBell, Processor, Pulse, RateLimit,
    ScannerFactory,
};

/// What builds components, and what they share. Implemented by the engine.
pub trait Builder {
    /// The names of all components.
    fn registry(&self) -> &dyn Registry;
    /// The log, without a component's label and path.
    fn logger(&self) -> &Logger;
    /// All series of the stream.
    fn metrics(&self) -> &Metrics;
    /// What the program shares with components.
    fn services(&self) -> &Services;
    /// The directory of the file that describes what is being built; none where it is in no file.
    fn config_dir(&self) -> Option<&Path> {
        None
    }
    /// How many lanes there are: one for each thread of the pipeline, one for the input's turn, and one for
    /// the output's.
    fn lanes(&self) -> usize;
    /// How many threads the pipeline has.
    fn threads(&self) -> usize;
    /// The stream's pulse.
    fn pulse(&self) -> Arc<dyn Pulse>;
    /// The bell of the stream's output.
    fn output_bell(&self) -> OutputBell;
    /// The bell of the stream's input.
    fn input_bell(&self) -> InputBell;
    /// Calls the hook when everything is given up.
    fn on_abandon(&mut self, hook: Box<dyn Fn() + Send + Sync>);
    /// Builds an input, with its replays and processors.
    fn input(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Input>, BuildError>;
    /// Builds a processor.
    fn processor(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Processor>, BuildError>;
    /// Builds an output, with its processors.
    fn output(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Output>, BuildError>;
    /// Builds a scanner.
    fn scanner(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn ScannerFactory>, BuildError>;
    /// The input resource with this label.
    fn input_resource(&mut self, label: &str) -> Result<Box<dyn Input>, BuildError>;
    /// The processor resource with this label, shared.
    fn processor_resource(&mut self, label: &str) -> Result<Box<dyn Processor>, BuildError>;
    /// The output resource with this label.
    fn output_resource(&mut self, label: &str) -> Result<Box<dyn Output>, BuildError>;
    /// The cache with this label, shared.
    fn cache(&mut self, label: &str) -> Result<Arc<dyn Cache>, BuildError>;
    /// The rate limit with this label, shared.
    fn rate_limit(&mut self, label: &str) -> Result<Arc<dyn RateLimit>, BuildError>;
}

/// The surroundings of one component that is being built.
pub struct Context<'a> {
    builder: &'a mut dyn Builder,
    label: &'a str,
    path: &'a str,
}

impl<'a> Context<'a> {
    /// The surroundings of the component with this label and path.
    pub fn new(builder: &'a mut dyn Builder, label: &'a str, path: &'a str) -> Context<'a> {
        Context { builder, label, path }
    }

    /// The user's name for the component; empty for none.
    pub fn label(&self) -> &str {
        self.label
    }

    /// Where the component is: `root.pipeline.processors.0`.
    pub fn path(&self) -> &str {
        self.path
    }

    /// A log whose lines carry the component's label and path.
    pub fn logger(&self) -> Logger {
        self.builder.logger().for_component(self.label, self.path)
    }

    /// The stream's series. Labels `label` and `path` are the component's to add.
    pub fn metrics(&self) -> &Metrics {
        self.builder.metrics()
    }

    /// What the program shares with components.
    pub fn services(&self) -> &Services {
        self.builder.services()
    }

    /// The directory of the config file, or of the file of resources, that the component is in; none where it is in no
    /// file.
    pub fn config_dir(&self) -> Option<&Path> {
        self.builder.config_dir()
    }

    /// How many lanes there are; see [`Step::lane`](crate::Step::lane).
    pub fn lanes(&self) -> usize {
        self.builder.lanes()
    }

    /// How many threads the pipeline has.
    pub fn threads(&self) -> usize {
        self.builder.threads()
    }

    /// The stream's pulse, for a component that looks at the time where no [`Step`](crate::Step) can reach.
    pub fn pulse(&self) -> Arc<dyn Pulse> {
        self.builder.pulse()
    }

    /// The bell of the stream's output, for one that is answered from other threads.
    pub fn output_bell(&self) -> OutputBell {
        self.builder.output_bell()
    }

    /// The bell of the stream's input, for one that gets something from other threads.
    pub fn input_bell(&self) -> InputBell {
        self.builder.input_bell()
    }

    /// Calls the hook, once, when everything is given up, to wake whatever the component waits in.
    pub fn on_abandon(&mut self, hook: impl Fn() + Send + Sync + 'static) {
        self.builder.on_abandon(Box::new(hook));
    }

    /// The names of all components.
    pub fn registry(&self) -> &dyn Registry {
        self.builder.registry()
    }

    /// Builds a list of processors; `suffix` is where the list is below this component: `try`.
    pub fn processors(
        &mut self,
        suffix: &str,
        nodes: &[ComponentNode],
    ) -> Result<Vec<Box<dyn Processor>>, BuildError> {
        let build = |(idx, node)| self.builder.processor(node, &format!("{}.{suffix}.{idx}", self.path));
        nodes.iter().enumerate().map(build).collect()
    }

    /// Builds an input below this component.
    pub fn input(&mut self, suffix: &str, node: &ComponentNode) -> Result<Box<dyn Input>, BuildError> {
        self.builder.input(node, &format!("{}.{suffix}", self.path))
    }

    /// Builds an output below this component.
    pub fn output(&mut self, suffix: &str, node: &ComponentNode) -> Result<Box<dyn Output>, BuildError> {
        self.builder.output(node, &format!("{}.{suffix}", self.path))
    }

    /// Builds the scanner of this component.
    pub fn scanner(&mut self, node: &ComponentNode) -> Result<Box<dyn ScannerFactory>, BuildError> {
        self.builder.scanner(node, &format!("{}.scanner", self.path))
    }

    /// The input resource with this label.
    pub fn input_resource(&mut self, label: &str) -> Result<Box<dyn Input>, BuildError> {
        self.builder.input_resource(label)
    }

    /// The processor resource with this label, shared with all others who ask for it.
    pub fn processor_resource(&mut self, label: &str) -> Result<Box<dyn Processor>, BuildError> {
        self.builder.processor_resource(label)
    }

    /// The output resource with this label.
    pub fn output_resource(&mut self, label: &str) -> Result<Box<dyn Output>, BuildError> {
        self.builder.output_resource(label)
    }

    /// The cache with this label, shared with all others who ask for it.
    pub fn cache(&mut self, label: &str) -> Result<Arc<dyn Cache>, BuildError> {
        self.builder.cache(label)
    }

    /// The rate limit with this label, shared with all others who ask for it.
    pub fn rate_limit(&mut self, label: &str) -> Result<Arc<dyn RateLimit>, BuildError> {
        self.builder.rate_limit(label)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("label", &self.label).field("path", &self.path).finish()
    }
}

/// Things that components share, found by their type: what the program made, and what the first that asked for it did.
/// Cloning shares.
#[derive(Clone, Default)]
pub struct Services(Arc<Mutex<ServiceMap>>);

type ServiceMap = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

impl Services {
    /// Adds a service; one of the same type is replaced.
    pub fn insert<T: Any + Send + Sync>(&mut self, service: Arc<T>) {
        self.lock().insert(TypeId::of::<T>(), service);
    }

    /// The service of a type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.lock().get(&TypeId::of::<T>())?).downcast().ok()
    }

    /// The service of a type, which is made if there is none.
    pub fn get_or_default<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let made = || Arc::new(T::default()) as Arc<dyn Any + Send + Sync>;
        let service = Arc::clone(self.lock().entry(TypeId::of::<T>()).or_insert_with(made));
        service.downcast().expect("it is found by its type")
    }

    fn lock(&self) -> MutexGuard<'_, ServiceMap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Services({})", self.lock().len())
    }
}
