//! What a component may use while it is built. There are no globals.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wappa_spec::{ComponentKind, ComponentNode, Kept, Registry};

use crate::{
    BuildError, Built, Cache, Input, InputBell, Logger, Metrics, Output, OutputBell, Processor, Pulse,
    RateLimit, ScannerFactory,
    helpers::{FreeHelpers, HELPERS, Helpers},
    tracer::{SpanPlace, Tracer},
};

/// What builds components. Implemented by the engine.
pub trait Builder {
    /// What all components share.
    fn surroundings(&self) -> &Surroundings<'_>;

    /// The directory of the file that describes what is being built; none where it is in no file.
    fn config_dir(&self) -> Option<&Path> {
        None
    }

    /// Builds the component that `node` describes, which is at `path`, with what belongs around it: an input with its replays
    /// and processors, an output with its connection and processors.
    fn child(&mut self, node: &ComponentNode, path: &str) -> Result<Built, BuildError>;

    /// The resource of this kind with this label, shared by all who ask for it.
    fn resource(&mut self, kind: ComponentKind, label: &str) -> Result<Built, BuildError>;

    /// Mappings of what is being built reach what is kept from message to message.
    fn reaches(&mut self, _: Kept) {}
}

/// What the components of a stream share while they are built.
pub struct Surroundings<'a> {
    /// The names of all components.
    pub registry: &'a dyn Registry,
    /// The log, without a component's label and path.
    pub logger: Logger,
    /// All series of the stream.
    pub metrics: Metrics,
    /// What the program shares with components.
    pub services: Services,
    /// How many threads the pipeline has.
    pub threads: usize,
    /// The stream's pulse.
    pub pulse: Arc<dyn Pulse>,
    /// The bell of the stream's input.
    pub input_bell: InputBell,
    /// The bell of the stream's output.
    pub output_bell: OutputBell,
    /// Has a hook called when everything is given up.
    pub on_abandon: Box<dyn Fn(AbandonHook)>,
}

/// What is called when everything is given up.
pub type AbandonHook = Box<dyn Fn() + Send + Sync>;

impl<'a> Surroundings<'a> {
    /// Of components that are built without a stream: with one thread, a silent log, bells that nobody hears, and nobody who
    /// gives anything up.
    pub fn alone(registry: &'a dyn Registry, pulse: Arc<dyn Pulse>) -> Surroundings<'a> {
        Surroundings {
            registry,
            logger: Logger::silent(),
            metrics: Metrics::default(),
            services: Services::default(),
            threads: 1,
            pulse,
            input_bell: InputBell::new(|| ()),
            output_bell: OutputBell::new(|| ()),
            on_abandon: Box::new(|_| ()),
        }
    }
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("threads", &self.threads).finish_non_exhaustive()
    }
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
        self.shared().logger.for_component(self.label, self.path)
    }

    /// The stream's series. Labels `label` and `path` are the component's to add.
    pub fn metrics(&self) -> &Metrics {
        &self.shared().metrics
    }

    /// What the program shares with components.
    pub fn services(&self) -> &Services {
        &self.shared().services
    }

    /// The directory of the config file, or of the file of resources, that the component is in; none where it is in no
    /// file.
    pub fn config_dir(&self) -> Option<&Path> {
        self.builder.config_dir()
    }

    /// A place of the component's own for spans with this name; `None`: nothing is traced.
    pub fn span_place(&self, name: &str) -> Option<SpanPlace> {
        self.tracer().place(name, self.label, self.path)
    }

    /// The tracer of the stream.
    pub fn tracer(&self) -> Tracer {
        Tracer::of(self.services())
    }

    /// How many lanes there are: one for each thread of the pipeline, one for the input's turn, one for the output's, one for
    /// what fills a buffer, and those of [helpers](Context::helpers); see [`Step::lane`](crate::Step::lane).
    pub fn lanes(&self) -> usize {
        self.shared().threads + 3 + HELPERS
    }

    /// The lanes of threads that help another one with its part, all of them of the stream's.
    pub fn helpers(&self) -> Helpers {
        Helpers { first: self.shared().threads + 3, free: self.services().get_or_default::<FreeHelpers>() }
    }

    /// How many threads the pipeline has.
    pub fn threads(&self) -> usize {
        self.shared().threads
    }

    /// The stream's pulse, for a component that looks at the time where no [`Step`](crate::Step) can reach.
    pub fn pulse(&self) -> Arc<dyn Pulse> {
        Arc::clone(&self.shared().pulse)
    }

    /// The bell of the stream's output, for one that is answered from other threads.
    pub fn output_bell(&self) -> OutputBell {
        self.shared().output_bell.clone()
    }

    /// The bell of the stream's input, for one that gets something from other threads.
    pub fn input_bell(&self) -> InputBell {
        self.shared().input_bell.clone()
    }

    /// Calls the hook, once, when everything is given up, to wake whatever the component waits in.
    pub fn on_abandon(&mut self, hook: impl Fn() + Send + Sync + 'static) {
        (self.shared().on_abandon)(Box::new(hook));
    }

    /// The names of all components.
    pub fn registry(&self) -> &dyn Registry {
        self.shared().registry
    }

    /// Builds a list of processors; `suffix` is where the list is below this component: `try`.
    pub fn processors(
        &mut self,
        suffix: &str,
        nodes: &[ComponentNode],
    ) -> Result<Vec<Box<dyn Processor>>, BuildError> {
        let build = |(idx, node)| processor(self.child(&format!("{suffix}.{idx}"), node)?);
        nodes.iter().enumerate().map(build).collect()
    }

    /// Builds an input below this component.
    pub fn input(&mut self, suffix: &str, node: &ComponentNode) -> Result<Box<dyn Input>, BuildError> {
        input(self.child(suffix, node)?)
    }

    /// Builds an output below this component.
    pub fn output(&mut self, suffix: &str, node: &ComponentNode) -> Result<Box<dyn Output>, BuildError> {
        output(self.child(suffix, node)?)
    }

    /// Builds the scanner of this component.
    pub fn scanner(&mut self, node: &ComponentNode) -> Result<Box<dyn ScannerFactory>, BuildError> {
        scanner(self.child("scanner", node)?)
    }

    /// The input resource with this label.
    pub fn input_resource(&mut self, label: &str) -> Result<Box<dyn Input>, BuildError> {
        input(self.builder.resource(ComponentKind::Input, label)?)
    }

    /// The processor resource with this label, shared with all others who ask for it.
    pub fn processor_resource(&mut self, label: &str) -> Result<Box<dyn Processor>, BuildError> {
        processor(self.builder.resource(ComponentKind::Processor, label)?)
    }

    /// The output resource with this label.
    pub fn output_resource(&mut self, label: &str) -> Result<Box<dyn Output>, BuildError> {
        output(self.builder.resource(ComponentKind::Output, label)?)
    }

    /// The cache with this label, shared with all others who ask for it.
    pub fn cache(&mut self, label: &str) -> Result<Arc<dyn Cache>, BuildError> {
        cache(self.builder.resource(ComponentKind::Cache, label)?)
    }

    /// The rate limit with this label, shared with all others who ask for it.
    pub fn rate_limit(&mut self, label: &str) -> Result<Arc<dyn RateLimit>, BuildError> {
        rate_limit(self.builder.resource(ComponentKind::RateLimit, label)?)
    }

    pub(crate) fn reaches(&mut self, kept: Kept) {
        self.builder.reaches(kept);
    }

    fn shared(&self) -> &Surroundings<'_> {
        self.builder.surroundings()
    }

    fn child(&mut self, suffix: &str, node: &ComponentNode) -> Result<Built, BuildError> {
        self.builder.child(node, &format!("{}.{suffix}", self.path))
    }
}

/// What was built, where its kind is known.
macro_rules! of_kind {
    ($($name:ident: $variant:ident($type:ty),)*) => {$(
        fn $name(built: Built) -> Result<$type, BuildError> {
            match built {
                Built::$variant(it) => Ok(it),
                _ => Err(BuildError::new(concat!("it was built as something else than a ", stringify!($name)))),
            }
        }
    )*};
}

of_kind! {
    input: Input(Box<dyn Input>),
    processor: Processor(Box<dyn Processor>),
    output: Output(Box<dyn Output>),
    scanner: Scanner(Box<dyn ScannerFactory>),
    cache: Cache(Arc<dyn Cache>),
    rate_limit: RateLimit(Arc<dyn RateLimit>),
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("label", &self.label).field("path", &self.path).finish()
    }
}

/// Among the services where messages are given to a config by hand: what fails is told, and not tried again without end.
#[derive(Clone, Copy, Debug)]
pub struct EachOnce;

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
