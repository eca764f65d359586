//! The description of a component together with the way to build it: what a table of components holds.

use std::{fmt, sync::Arc};

use wappa_spec::{ComponentKind, ComponentNode, Config, Kept, Node, Registry, Spec, Status};

use crate::{
    BufferEnds, Builder, Cache, Context, Exporter, Input, InputBell, Logger, Metrics, Output, Processor,
    RateLimit, ScannerFactory, Tracer,
};

/// The config of an input knows how to build it.
pub trait BuildInput: Config {
    /// Builds it. Opens and connects nothing: that is for [`Input::connect`].
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError>;
}

/// The config of a processor knows how to build it.
pub trait BuildProcessor: Config {
    /// Builds it.
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Processor>, BuildError>;
}

/// The config of an output knows how to build it.
pub trait BuildOutput: Config {
    /// Builds it. Opens and connects nothing: that is for [`Output::connect`].
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Output>, BuildError>;
}

/// The config of a scanner knows how to build what opens one for each source.
pub trait BuildScanner: Config {
    /// Builds it.
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn ScannerFactory>, BuildError>;
}

/// The config of a buffer knows how to build it.
pub trait BuildBuffer: Config {
    /// Builds it. `filler` is the bell of whoever puts something in; that of whoever reads is the context's.
    fn build(self, filler: InputBell, ctx: &mut Context<'_>) -> Result<BufferEnds, BuildError>;
}

/// The config of a cache knows how to build it.
pub trait BuildCache: Config {
    /// Builds it.
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn Cache>, BuildError>;
}

/// The config of a rate limit knows how to build it.
pub trait BuildRateLimit: Config {
    /// Builds it.
    fn build(self, ctx: &mut Context<'_>) -> Result<Arc<dyn RateLimit>, BuildError>;
}

/// The config of a metrics exporter knows how to build it.
pub trait BuildExporter: Config {
    /// Builds it. Whatever it has to say goes to this log.
    fn build(self, logger: Logger) -> Result<Box<dyn Exporter>, BuildError>;
}

/// The config of a tracer knows how to build it.
pub trait BuildTracer: Config {
    /// Builds it. Whatever it has to say goes to this log, and what it counts to these metrics.
    fn build(self, logger: Logger, metrics: &Metrics) -> Result<Tracer, BuildError>;
}

/// Why a component could not be built. Says where it is once; whoever builds it adds that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    text: String,
    is_placed: bool,
}

impl BuildError {
    /// The cause alone.
    pub fn new(cause: impl Into<String>) -> BuildError {
        BuildError { text: cause.into(), is_placed: false }
    }

    /// Adds, unless a component below did so, what could not be built and where it is; Bento's words.
    pub fn placed(self, kind: ComponentKind, label: &str, path: &str) -> BuildError {
        if self.is_placed {
            return self;
        }
        let label = if label.is_empty() { "<no label>".to_string() } else { format!("'{label}'") };
        let text = format!("failed to init {kind} {label} path {path}: {}", self.text);
        BuildError { text, is_placed: true }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for BuildError {}

/// One entry of the table of components.
#[derive(Debug)]
pub struct Component {
    /// Name, docs, fields and lint.
    pub spec: Spec,
    /// How to build it.
    pub build: Build,
    /// Whether the engine counts and logs what it does. Not for components that only pass on to others.
    pub is_observed: bool,
}

/// What was built, by its kind.
#[expect(missing_debug_implementations, reason = "components are code")]
pub enum Built {
    /// An input.
    Input(Box<dyn Input>),
    /// A processor.
    Processor(Box<dyn Processor>),
    /// An output.
    Output(Box<dyn Output>),
    /// A scanner.
    Scanner(Box<dyn ScannerFactory>),
    /// A cache.
    Cache(Arc<dyn Cache>),
    /// A rate limit.
    RateLimit(Arc<dyn RateLimit>),
}

type BuildFn<T> = fn(&Node, &mut Context<'_>) -> Result<T, BuildError>;
type BuildBufferFn = fn(&Node, InputBell, &mut Context<'_>) -> Result<BufferEnds, BuildError>;
type BuildExporterFn = fn(&Node, &dyn Registry, Logger) -> Result<Box<dyn Exporter>, BuildError>;
type BuildTracerFn = fn(&Node, &dyn Registry, Logger, &Metrics) -> Result<Tracer, BuildError>;

/// How a component is built, by its kind.
#[derive(Clone, Copy, Debug)]
pub enum Build {
    /// An input.
    Input(BuildFn<Box<dyn Input>>),
    /// A processor.
    Processor(BuildFn<Box<dyn Processor>>),
    /// An output.
    Output(BuildFn<Box<dyn Output>>),
    /// A scanner.
    Scanner(BuildFn<Box<dyn ScannerFactory>>),
    /// A cache.
    Cache(BuildFn<Arc<dyn Cache>>),
    /// A rate limit.
    RateLimit(BuildFn<Arc<dyn RateLimit>>),
    /// A buffer, of which a stream has one: [`Component::build_buffer`] builds it.
    Buffer(BuildBufferFn),
    /// A metrics exporter, which is not part of the stream: the program builds it.
    Exporter(BuildExporterFn),
    /// A tracer, which is not part of the stream either.
    Tracer(BuildTracerFn),
}

impl Component {
    /// Builds what `node` describes, at `path`. What goes wrong says where.
    pub fn build(
        &self,
        builder: &mut dyn Builder,
        node: &ComponentNode,
        path: &str,
    ) -> Result<Built, BuildError> {
        let (body, ctx) = (&node.body, &mut Context::new(builder, &node.label, path));
        let built = match self.build {
            Build::Input(build) => build(body, ctx).map(Built::Input),
            Build::Processor(build) => build(body, ctx).map(Built::Processor),
            Build::Output(build) => build(body, ctx).map(Built::Output),
            Build::Scanner(build) => build(body, ctx).map(Built::Scanner),
            Build::Cache(build) => build(body, ctx).map(Built::Cache),
            Build::RateLimit(build) => build(body, ctx).map(Built::RateLimit),
            Build::Buffer(_) => {
                Err(BuildError::new("a buffer stands behind the input of a stream, and nowhere else"))
            }
            Build::Exporter(_) => Err(BuildError::new("an exporter is not part of a stream")),
            Build::Tracer(_) => Err(BuildError::new("a tracer is not part of a stream")),
        };
        built.map_err(|err| err.placed(node.kind, &node.label, path))
    }

    /// Builds the buffer that `node` describes, at `path`. `filler` is the bell of whoever puts something in.
    pub fn build_buffer(
        &self,
        builder: &mut dyn Builder,
        node: &ComponentNode,
        path: &str,
        filler: InputBell,
    ) -> Result<BufferEnds, BuildError> {
        let built = match self.build {
            Build::Buffer(build) => build(&node.body, filler, &mut Context::new(builder, &node.label, path)),
            _ => Err(BuildError::new(format!("`{}` is no buffer", self.spec.name))),
        };
        built.map_err(|err| err.placed(node.kind, &node.label, path))
    }

    /// An input whose config is `C`.
    pub const fn input<C: BuildInput>(name: &'static str) -> Component {
        let build = Build::Input(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Input, name), build, is_observed: true }
    }

    /// A processor whose config is `C`.
    pub const fn processor<C: BuildProcessor>(name: &'static str) -> Component {
        let build = Build::Processor(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Processor, name), build, is_observed: true }
    }

    /// An output whose config is `C`.
    pub const fn output<C: BuildOutput>(name: &'static str) -> Component {
        let build = Build::Output(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Output, name), build, is_observed: true }
    }

    /// A scanner whose config is `C`.
    pub const fn scanner<C: BuildScanner>(name: &'static str) -> Component {
        let build = Build::Scanner(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Scanner, name), build, is_observed: false }
    }

    /// A buffer whose config is `C`.
    pub const fn buffer<C: BuildBuffer>(name: &'static str) -> Component {
        let build = Build::Buffer(|node, filler, ctx| read::<C>(node, ctx)?.build(filler, ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Buffer, name), build, is_observed: true }
    }

    /// A cache whose config is `C`.
    pub const fn cache<C: BuildCache>(name: &'static str) -> Component {
        let build = Build::Cache(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::Cache, name), build, is_observed: true }
    }

    /// A rate limit whose config is `C`.
    pub const fn rate_limit<C: BuildRateLimit>(name: &'static str) -> Component {
        let build = Build::RateLimit(|node, ctx| read::<C>(node, ctx)?.build(ctx));
        Component { spec: Spec::new::<C>(ComponentKind::RateLimit, name), build, is_observed: true }
    }

    /// A metrics exporter whose config is `C`.
    pub const fn metrics<C: BuildExporter>(name: &'static str) -> Component {
        let build =
            Build::Exporter(|node, registry, logger| read_apart::<C>(node, registry)?.0.build(logger));
        Component { spec: Spec::new::<C>(ComponentKind::Metrics, name), build, is_observed: false }
    }

    /// A tracer whose config is `C`.
    pub const fn tracer<C: BuildTracer>(name: &'static str) -> Component {
        let build = Build::Tracer(|node, registry, logger, metrics| {
            read_apart::<C>(node, registry)?.0.build(logger, metrics)
        });
        Component { spec: Spec::new::<C>(ComponentKind::Tracer, name), build, is_observed: false }
    }

    /// The same, listed under these categories.
    pub const fn categories(self, categories: &'static [&'static str]) -> Component {
        Component { spec: self.spec.categories(categories), ..self }
    }

    /// The same, with another status.
    pub const fn status(self, status: Status) -> Component {
        Component { spec: self.spec.status(status), ..self }
    }

    /// The same, as one that reaches files or programs of the machine, so that configs that are not trusted do without it.
    pub const fn reaching_machine(self) -> Component {
        Component { spec: self.spec.reaching_machine(), ..self }
    }

    /// The same, as one that only passes on to others, which are counted themselves.
    pub const fn unobserved(self) -> Component {
        Component { is_observed: false, ..self }
    }
}

/// Reads the config of a component, whose mappings may reach what others do.
fn read<C: Config>(node: &Node, ctx: &mut Context<'_>) -> Result<C, BuildError> {
    let (config, kept) = read_apart(node, ctx.registry())?;
    kept.into_iter().for_each(|it| ctx.reaches(it));
    Ok(config)
}

/// The same, and what the mappings reach.
fn read_apart<C: Config>(node: &Node, registry: &dyn Registry) -> Result<(C, Vec<Kept>), BuildError> {
    C::from_body_with_kept(node, registry).map_err(|lints| {
        let texts: Vec<String> = lints.iter().map(|it| it.message.clone()).collect();
        BuildError::new(texts.join("; "))
    })
}
