//! From a config to a stream: builds components, each observed, and finds resources.

use std::{
    collections::{HashMap, HashSet},
    num::NonZero,
    path::Path,
    sync::{Arc, Mutex},
};

use wappa_component::{
    Build, BuildError, Builder, Cache, Component, Context, Input, InputBell, Logger, Metrics, Output,
    OutputBell, Processor, Pulse, RateLimit, ScannerFactory, Services,
};
use wappa_spec::{ComponentKind, ComponentNode, Registry, Resources, StreamConfig, THREADS_MAX};

use crate::{
    intake::Intake,
    line::Line,
    observe::{Observed, ObservedProcessor, Tally},
    replay::Replay,
    resources::{ObservedCache, ObservedRateLimit},
    shared::{SharedInput, SharedOutput},
    stream::{Setting, Stream, StreamParts},
    under::{UnderInput, UnderOutput},
};

/// What a stream is built from.
#[expect(missing_debug_implementations, reason = "a registry is code")]
pub struct BuildRequest<'a> {
    /// The config, without lints that are errors.
    pub config: &'a StreamConfig,
    /// All components that there are.
    pub components: &'a [&'static Component],
    /// Their descriptions.
    pub registry: &'a dyn Registry,
    /// The log, without a component's label and path.
    pub logger: Logger,
    /// Where series are registered.
    pub metrics: Metrics,
    /// What the program shares with components.
    pub services: Services,
    /// Where the stream will run.
    pub setting: &'a Setting,
}

/// Builds everything that the config names, referenced or not, so that whatever is wrong shows before the start.
pub fn build(request: BuildRequest<'_>) -> Result<(Stream, Tally), BuildError> {
    let config = request.config;
    let mut building = Building::new(&request);
    building.check_labels()?;
    building.all_resources()?;
    let pipeline = &config.pipeline.processors;
    let path = |idx| format!("root.pipeline.processors.{idx}");
    let processors = pipeline.iter().enumerate().map(|(idx, node)| {
        let path = path(idx);
        Ok((path.clone(), building.processor(node, &path)?))
    });
    let processors = processors.collect::<Result<_, BuildError>>()?;
    let input = building.input(&config.input, "root.input")?;
    let output = building.output(&config.output, "root.output")?;
    let tally = building.tally.clone();
    let parts = StreamParts {
        input,
        processors,
        output,
        threads: building.threads,
        is_ordered: config.pipeline.ordered,
        logger: request.logger.clone(),
    };
    Ok((Stream::of_built(request.setting, parts), tally))
}

/// Builds an input alone.
#[cfg(test)]
pub(crate) fn input(request: &BuildRequest<'_>, node: &ComponentNode) -> Result<Box<dyn Input>, BuildError> {
    Building::new(request).input(node, "root.input")
}

/// How many threads a pipeline has: as many as the machine has processors where the config says none; Bento's rule.
pub fn threads(config: &StreamConfig) -> usize {
    match usize::try_from(config.pipeline.threads) {
        Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, NonZero::get),
        // More is a lint; a config may be run in spite of it.
        Ok(threads) => threads.min(THREADS_MAX),
    }
}

/// The one builder. Resources are built when they are first asked for.
struct Building<'a> {
    request: &'a BuildRequest<'a>,
    threads: usize,
    tally: Tally,
    /// The directory of the file of what is being built.
    dir: Option<Arc<Path>>,
    inputs: HashMap<String, Resource<Mutex<Box<dyn Input>>>>,
    processors: HashMap<String, Resource<dyn Processor>>,
    outputs: HashMap<String, Resource<Mutex<Box<dyn Output>>>>,
    caches: HashMap<String, Resource<dyn Cache>>,
    rate_limits: HashMap<String, Resource<dyn RateLimit>>,
}

/// How far a resource is.
enum Resource<T: ?Sized> {
    UnderWay,
    Built(Arc<T>),
}

impl<'a> Building<'a> {
    fn new(request: &'a BuildRequest<'a>) -> Building<'a> {
        Building {
            request,
            threads: threads(request.config),
            tally: request.setting.tally.clone(),
            dir: None,
            inputs: HashMap::new(),
            processors: HashMap::new(),
            outputs: HashMap::new(),
            caches: HashMap::new(),
            rate_limits: HashMap::new(),
        }
    }

    fn resources(&self) -> &'a Resources {
        &self.request.config.resources
    }

    /// Labels of resources are unique among all kinds; Bento's texts.
    fn check_labels(&self) -> Result<(), BuildError> {
        let resources = self.resources();
        let all = resources.rate_limits.iter().chain(&resources.caches).chain(&resources.processors);
        let all = all.chain(&resources.inputs).chain(&resources.outputs);
        let mut seen: HashSet<&str> = HashSet::new();
        for node in all {
            if node.label.is_empty() {
                return Err(BuildError::new(format!("{} resource has an empty label", node.kind)));
            }
            if !seen.insert(&node.label) {
                let text = "collides with a previously defined resource";
                return Err(BuildError::new(format!("{} resource label '{}' {text}", node.kind, node.label)));
            }
        }
        Ok(())
    }

    fn all_resources(&mut self) -> Result<(), BuildError> {
        let resources = self.resources();
        for node in &resources.rate_limits {
            self.rate_limit(&node.label)?;
        }
        for node in &resources.caches {
            self.cache(&node.label)?;
        }
        for node in &resources.processors {
            self.processor_resource(&node.label)?;
        }
        for node in &resources.inputs {
            self.input_resource(&node.label)?;
        }
        for node in &resources.outputs {
            self.output_resource(&node.label)?;
        }
        Ok(())
    }

    fn component(&self, node: &ComponentNode) -> Result<&'static Component, BuildError> {
        let found =
            self.request.components.iter().find(|it| it.spec.kind == node.kind && it.spec.name == node.name);
        found.copied().ok_or_else(|| BuildError::new(format!("there is no {} `{}`", node.kind, node.name)))
    }

    fn observed(&self, node: &ComponentNode, path: &str) -> Observed {
        Observed {
            name: node.name.clone(),
            label: node.label.clone(),
            path: path.to_string(),
            logger: self.request.logger.for_component(&node.label, path),
            metrics: self.request.metrics.clone(),
            world: self.request.setting.world.clone(),
            stop: self.request.setting.stop.clone(),
            calls: self.request.setting.activity.component(&node.label, path),
        }
    }

    /// Builds in the directory of the node's file. Nodes without one are below others, which are in it.
    fn in_dir<T>(&mut self, node: &ComponentNode, build: impl FnOnce(&mut Self) -> T) -> T {
        let Some(dir) = &node.dir else { return build(self) };
        let outside = self.dir.replace(Arc::clone(dir));
        let built = build(self);
        self.dir = outside;
        built
    }

    fn under(&mut self, node: &ComponentNode, path: &str) -> Result<Vec<Box<dyn Processor>>, BuildError> {
        let build = |(idx, it)| self.processor(it, &format!("{path}.processors.{idx}"));
        node.processors.iter().enumerate().map(build).collect()
    }
}

/// Finds the resource with this label, building it when it is asked for first.
fn resource<'a, T: ?Sized>(
    building: &mut Building<'a>,
    label: &str,
    nodes: &'a [ComponentNode],
    map: for<'b> fn(&'b mut Building<'a>) -> &'b mut HashMap<String, Resource<T>>,
    build: impl FnOnce(&mut Building<'a>, &'a ComponentNode) -> Result<Arc<T>, BuildError>,
    kind: ComponentKind,
) -> Result<Arc<T>, BuildError> {
    match map(building).get(label) {
        Some(Resource::Built(it)) => return Ok(Arc::clone(it)),
        Some(Resource::UnderWay) => {
            return Err(BuildError::new(format!("{kind} resource '{label}' refers to itself")));
        }
        None => (),
    }
    let Some(node) = nodes.iter().find(|it| it.label == label) else {
        return Err(BuildError::new(format!("{kind} resource '{label}' was not found")));
    };
    map(building).insert(label.to_string(), Resource::UnderWay);
    let built = build(building, node)?;
    map(building).insert(label.to_string(), Resource::Built(Arc::clone(&built)));
    Ok(built)
}

impl Builder for Building<'_> {
    fn registry(&self) -> &dyn Registry {
        self.request.registry
    }

    fn logger(&self) -> &Logger {
        &self.request.logger
    }

    fn metrics(&self) -> &Metrics {
        &self.request.metrics
    }

    fn services(&self) -> &Services {
        &self.request.services
    }

    fn config_dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn lanes(&self) -> usize {
        self.threads + 2
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn pulse(&self) -> Arc<dyn Pulse> {
        Arc::new(self.request.setting.stop.clone())
    }

    fn output_bell(&self) -> OutputBell {
        self.request.setting.output_bell.bell()
    }

    fn input_bell(&self) -> InputBell {
        self.request.setting.bell.for_input()
    }

    fn on_abandon(&mut self, hook: Box<dyn Fn() + Send + Sync>) {
        self.request.setting.stop.on_abandon(hook);
    }

    fn input(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Input>, BuildError> {
        let place = |err: BuildError| err.placed(node.kind, &node.label, path);
        let component = self.component(node).map_err(place)?;
        let Build::Input(build) = component.build else { unreachable!("an input is built as one") };
        let mut input = self
            .in_dir(node, |it| build(&node.body, &mut Context::new(it, &node.label, path)))
            .map_err(place)?;
        let replays = input.auto_replay_nacks();
        let observed = self.observed(node, path);
        if component.is_observed {
            let activity = &self.request.setting.activity;
            input = Box::new(Intake::new(input, observed.clone(), self.tally.clone(), activity));
        }
        if replays {
            let mut replay = Replay::new(input, &self.request.setting.bell, observed, self.tally.clone());
            replay.bound = self.request.setting.replay_bound;
            input = Box::new(replay);
        }
        let processors = self.under(node, path)?;
        if !processors.is_empty() {
            input = Box::new(UnderInput::new(input, processors));
        }
        Ok(input)
    }

    fn processor(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Processor>, BuildError> {
        let place = |err: BuildError| err.placed(node.kind, &node.label, path);
        let component = self.component(node).map_err(place)?;
        let Build::Processor(build) = component.build else { unreachable!("a processor is built as one") };
        let processor = self
            .in_dir(node, |it| build(&node.body, &mut Context::new(it, &node.label, path)))
            .map_err(place)?;
        if !component.is_observed {
            return Ok(processor);
        }
        Ok(Box::new(ObservedProcessor::new(processor, self.observed(node, path))))
    }

    fn output(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Output>, BuildError> {
        let place = |err: BuildError| err.placed(node.kind, &node.label, path);
        let component = self.component(node).map_err(place)?;
        let Build::Output(build) = component.build else { unreachable!("an output is built as one") };
        let mut output = self
            .in_dir(node, |it| build(&node.body, &mut Context::new(it, &node.label, path)))
            .map_err(place)?;
        if component.is_observed {
            let Setting { activity, output_bell, .. } = self.request.setting;
            output = Box::new(Line::new(output, self.observed(node, path), output_bell.bell(), activity));
        }
        let processors = self.under(node, path)?;
        if !processors.is_empty() {
            output = Box::new(UnderOutput::new(output, processors));
        }
        Ok(output)
    }

    fn scanner(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn ScannerFactory>, BuildError> {
        let place = |err: BuildError| err.placed(node.kind, &node.label, path);
        let component = self.component(node).map_err(place)?;
        let Build::Scanner(build) = component.build else { unreachable!("a scanner is built as one") };
        self.in_dir(node, |it| build(&node.body, &mut Context::new(it, &node.label, path))).map_err(place)
    }

    fn input_resource(&mut self, label: &str) -> Result<Box<dyn Input>, BuildError> {
        let nodes = &self.resources().inputs;
        let shared = resource(
            self,
            label,
            nodes,
            |it| &mut it.inputs,
            |it, node| Ok(Arc::new(Mutex::new(it.input(node, "root.input_resources")?))),
            ComponentKind::Input,
        )?;
        Ok(Box::new(SharedInput(shared)))
    }

    fn processor_resource(&mut self, label: &str) -> Result<Box<dyn Processor>, BuildError> {
        let nodes = &self.resources().processors;
        let shared = resource(
            self,
            label,
            nodes,
            |it| &mut it.processors,
            |it, node| Ok(Arc::from(it.processor(node, "root.processor_resources")?)),
            ComponentKind::Processor,
        )?;
        Ok(Box::new(shared))
    }

    fn output_resource(&mut self, label: &str) -> Result<Box<dyn Output>, BuildError> {
        let nodes = &self.resources().outputs;
        let shared = resource(
            self,
            label,
            nodes,
            |it| &mut it.outputs,
            |it, node| Ok(Arc::new(Mutex::new(it.output(node, "root.output_resources")?))),
            ComponentKind::Output,
        )?;
        Ok(Box::new(SharedOutput(shared)))
    }

    fn cache(&mut self, label: &str) -> Result<Arc<dyn Cache>, BuildError> {
        const PATH: &str = "root.cache_resources";
        let nodes = &self.resources().caches;
        let build = |it: &mut Building<'_>, node: &ComponentNode| -> Result<Arc<dyn Cache>, BuildError> {
            let place = |err: BuildError| err.placed(node.kind, &node.label, PATH);
            let Build::Cache(build) = it.component(node).map_err(place)?.build else {
                unreachable!("a cache is built as one")
            };
            let cache = build(&node.body, &mut Context::new(it, &node.label, PATH)).map_err(place)?;
            Ok(Arc::new(ObservedCache::new(cache, it.observed(node, PATH))))
        };
        resource(self, label, nodes, |it| &mut it.caches, build, ComponentKind::Cache)
    }

    fn rate_limit(&mut self, label: &str) -> Result<Arc<dyn RateLimit>, BuildError> {
        const PATH: &str = "root.rate_limit_resources";
        let nodes = &self.resources().rate_limits;
        let build = |it: &mut Building<'_>, node: &ComponentNode| -> Result<Arc<dyn RateLimit>, BuildError> {
            let place = |err: BuildError| err.placed(node.kind, &node.label, PATH);
            let Build::RateLimit(build) = it.component(node).map_err(place)?.build else {
                unreachable!("a rate limit is built as one")
            };
            let limit = build(&node.body, &mut Context::new(it, &node.label, PATH)).map_err(place)?;
            Ok(Arc::new(ObservedRateLimit::new(limit, it.observed(node, PATH))))
        };
        resource(self, label, nodes, |it| &mut it.rate_limits, build, ComponentKind::RateLimit)
    }
}
