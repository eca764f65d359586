//! From a config to a stream: builds components, each observed, and finds resources.

use std::{
    collections::{HashMap, HashSet},
    num::NonZero,
    path::Path,
    sync::{Arc, Mutex},
};

use wappa_component::{
    BuildError, Builder, Built, Cache, Caches, Component, Context, EachOnce, Input, InputBell, Logger,
    Metrics, Output, Processor, RateLimit, Services, Surroundings, Tracer, cause,
};
use wappa_spec::{
    ComponentKind, ComponentNode, ErrorHandlingConfig, Kept, Registry, Resources, StreamConfig, THREADS_MAX,
};

use crate::{
    filler::{Accounts, BUFFER_PATH, Filler, Outlet},
    intake::Intake,
    line::Line,
    observe::{Observed, ObservedProcessor, Tally},
    of_process::{ComponentsOfStream, SharedResources},
    one_by_one::{Key, OneByOne, Uses},
    reached::Reached,
    replay::{Pace, Replay},
    resources::{ObservedCache, ObservedRateLimit},
    shared::{SharedInput, SharedOutput},
    stream::{Assembly, Setting, Stream},
    strict::{FailureLog, Strictness, TurnsAway, Unfailed},
    under::{UnderOutput, under_input},
    worker::INPUT_PATH,
    world::Bell,
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
    build_all(request, None)
}

/// What is put in the place of parts of a config, for who gives it messages by hand.
#[expect(missing_debug_implementations, reason = "an input is code")]
pub struct Instead<'a> {
    /// Makes what messages come from, with the bell for it. They are read once: what fails is not replayed, and no buffer
    /// stands behind it.
    pub input: Box<dyn FnOnce(InputBell) -> Box<dyn Input> + 'a>,
    /// Whether they go through the processors under the config's input, as what that reads would.
    pub is_as_read: bool,
    /// Makes what stands in the place of an output, which is not built then; none: that output itself.
    pub outputs: Option<&'a OutputInstead<'a>>,
}

/// Says what stands in the place of an output of this description, which is built with the same surroundings.
pub type OutputInstead<'a> =
    dyn Fn(&ComponentNode, &mut Context<'_>) -> Option<Result<Box<dyn Output>, BuildError>> + 'a;

/// As [`build`], with messages from elsewhere, and perhaps with other outputs.
pub fn build_instead(request: BuildRequest<'_>, instead: Instead<'_>) -> Result<(Stream, Tally), BuildError> {
    build_all(request, Some(instead))
}

fn build_all(request: BuildRequest<'_>, instead: Option<Instead<'_>>) -> Result<(Stream, Tally), BuildError> {
    let config = request.config;
    if instead.is_some() {
        request.services.clone().insert(Arc::new(EachOnce));
    }
    let mut building = Building::new(&request);
    building.outputs = instead.as_ref().and_then(|it| it.outputs);
    let filler_bell = match has_buffer(config) && instead.is_none() {
        true => Some(building.fill()?),
        false => None,
    };
    building.check_labels()?;
    // Of what is for all streams of a process each builds what it refers to.
    match request.setting.is_one_of_several {
        true => _ = building.uses.enter(),
        false => building.all_resources()?,
    }
    let processors = building.pipeline()?;
    let replays = instead.is_none();
    let input = match instead {
        Some(instead) => building.input_instead(instead)?,
        None => building.input(&config.input, "root.input")?,
    };
    let (mut input, filler) = match filler_bell {
        Some(bell) => {
            let (input, filler) = building.buffer(&config.buffer, input, bell)?;
            (input, Some(filler))
        }
        None => (input, None),
    };
    let mut output = building.output(&config.output, "root.output")?;
    // Only now it is known whether anything keeps failed messages from being turned away.
    if let Some(strictness) = building.strictness.clone().filter(Strictness::is_strict) {
        output = Box::new(TurnsAway { inner: output, strictness });
        if config.error_handling.strategy == ErrorHandlingConfig::RETRY && replays {
            let bell = &request.setting.bell;
            input = building.replayed(input, bell, &config.input, "root.input", Pace::OF_STRATEGY);
        }
    }
    let tally = building.tally.clone();
    let parts = Assembly {
        input,
        processors,
        output,
        threads: building.threads,
        is_ordered: config.pipeline.ordered,
        logger: request.logger.clone(),
        caches: building.caches(),
    };
    let mut stream = Stream::of_built(request.setting, parts);
    stream.filler = filler;
    stream.of_process = building.of_process.take();
    Ok((stream, tally))
}

/// What is put around the processors of a config in place of its own input and output.
#[expect(missing_debug_implementations, reason = "inputs and outputs are code")]
pub struct Around {
    /// Where messages come from.
    pub input: Box<dyn Input>,
    /// Where they go.
    pub output: Box<dyn Output>,
    /// Told which processors are given messages.
    pub reached: Reached,
}

/// Builds what is between the input and the output of a config, resources included, and puts others around it: for who
/// gives messages by hand, and looks at what comes out. Failed messages go on, marked, whatever the config does with them.
pub fn build_between(request: BuildRequest<'_>, around: Around) -> Result<(Stream, Tally), BuildError> {
    let mut building = Building::new(&request);
    building.strictness = None;
    building.reached = Some(around.reached);
    building.check_labels()?;
    building.all_resources()?;
    let processors = building.pipeline()?;
    let parts = Assembly {
        input: around.input,
        processors,
        output: around.output,
        threads: building.threads,
        is_ordered: true,
        logger: request.logger.clone(),
        caches: building.caches(),
    };
    Ok((Stream::new(request.setting, parts), building.tally))
}

/// The resources that all streams of a process have together, as one of them finds them.
fn of_process(services: &Services) -> HashMap<(ComponentKind, String), Resource> {
    let Some(all) = services.get::<SharedResources>() else { return HashMap::new() };
    let caches = all.caches().into_iter().map(|(label, it)| (ComponentKind::Cache, label, Shared::Cache(it)));
    let limits = all.rate_limits().into_iter();
    let limits = limits.map(|(label, it)| (ComponentKind::RateLimit, label, Shared::RateLimit(it)));
    caches.chain(limits).map(|(kind, label, it)| ((kind, label), Resource::Built(it))).collect()
}

/// Builds the caches and rate limits of a config, and adds them to those that all streams of the process have together; one
/// that is there under the same label is replaced, for all who have it.
pub fn build_shared(request: BuildRequest<'_>, into: &SharedResources) -> Result<(), BuildError> {
    let mut building = Building::new(&request);
    building.check_labels()?;
    let Resources { caches, rate_limits, .. } = &request.config.resources;
    let nodes = rate_limits.iter().chain(caches);
    let mut built = Vec::new();
    for node in nodes {
        // Not the one of the process that it replaces.
        let is_own = |key: &(ComponentKind, String)| key.0 == node.kind && key.1 == node.label;
        if !built.iter().any(|(kind, label, _)| is_own(&(*kind, String::clone(label)))) {
            building.resources.retain(|key, _| !is_own(key));
        }
        building.resource(node.kind, &node.label)?;
        let key = (node.kind, node.label.clone());
        if let Some(Resource::Built(shared)) = building.resources.get(&key) {
            built.push((node.kind, node.label.clone(), shared.clone()));
        }
    }
    for (_, label, shared) in built {
        match shared {
            Shared::Cache(it) => into.put_cache(&label, it),
            Shared::RateLimit(it) => into.put_rate_limit(&label, it),
            Shared::Input(_) | Shared::Processor(_) | Shared::Output(_) => (),
        }
    }
    Ok(())
}

/// Builds an input alone.
#[cfg(test)]
pub(crate) fn input(request: &BuildRequest<'_>, node: &ComponentNode) -> Result<Box<dyn Input>, BuildError> {
    Building::new(request).input(node, "root.input")
}

/// Builds an output alone.
#[cfg(test)]
pub(crate) fn output(
    request: &BuildRequest<'_>,
    node: &ComponentNode,
) -> Result<Box<dyn Output>, BuildError> {
    Building::new(request).output(node, "root.output")
}

/// Builds an input alone, with a buffer behind it and what `under` puts in between.
#[cfg(test)]
pub(crate) fn buffered_input(
    request: &BuildRequest<'_>,
    [input, buffer]: [&ComponentNode; 2],
    under: impl FnOnce(Box<dyn Input>) -> Box<dyn Input>,
) -> Result<(Box<dyn Input>, Filler), BuildError> {
    let mut building = Building::new(request);
    let bell = building.fill()?;
    let input = under(building.input(input, "root.input")?);
    building.buffer(buffer, input, bell)
}

/// Whether anything stands between the input and the pipeline.
fn has_buffer(config: &StreamConfig) -> bool {
    config.buffer.name != "none"
}

/// How many threads a pipeline has: as many as the machine has processors where the config says none; Bento's rule.
pub fn threads(config: &StreamConfig) -> usize {
    match usize::try_from(config.pipeline.threads) {
        Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, NonZero::get),
        // More is a lint; a config may be run in spite of it.
        Ok(threads) => threads.min(THREADS_MAX),
    }
}

/// How many components a stream has at most. A config of a few lines may ask for any number, with the `copies` of brokers one
/// within another; each takes some kilobytes, and nothing stops a stream while it is built.
const COMPONENTS_MAX: usize = 1 << 16;

/// The one builder. Resources are built when they are first asked for.
struct Building<'a> {
    request: &'a BuildRequest<'a>,
    threads: usize,
    tally: Tally,
    /// Rung for inputs.
    bell: Bell,
    surroundings: Surroundings<'a>,
    tracer: Tracer,
    /// The directory of the file of what is being built.
    dir: Option<Arc<Path>>,
    resources: HashMap<(ComponentKind, String), Resource>,
    /// How many components were built.
    n_components: usize,
    /// The same of those that all streams of the process may have together.
    of_process: Option<ComponentsOfStream>,
    uses: Uses,
    /// Whether messages that failed are turned away, where the config wants that.
    strictness: Option<Strictness>,
    /// Who is told which processors are given messages.
    reached: Option<Reached>,
    /// The label of the resource that is being built.
    within: Option<String>,
    /// What stands in the place of outputs.
    outputs: Option<&'a OutputInstead<'a>>,
}

/// A processor, and where it is.
type Placed = (String, Box<dyn Processor>);

/// How far a resource is.
enum Resource {
    UnderWay,
    Built(Shared),
}

/// A resource, for all who ask for it.
#[derive(Clone)]
enum Shared {
    Input(Arc<Mutex<Box<dyn Input>>>),
    Processor(Arc<dyn Processor>),
    Output(Arc<Mutex<Box<dyn Output>>>),
    Cache(Arc<dyn Cache>),
    RateLimit(Arc<dyn RateLimit>),
}

impl Shared {
    fn of(built: Built) -> Option<Shared> {
        Some(match built {
            Built::Input(it) => Shared::Input(Arc::new(Mutex::new(it))),
            Built::Processor(it) => Shared::Processor(Arc::from(it)),
            Built::Output(it) => Shared::Output(Arc::new(Mutex::new(it))),
            Built::Cache(it) => Shared::Cache(it),
            Built::RateLimit(it) => Shared::RateLimit(it),
            Built::Scanner(_) => return None,
        })
    }

    fn hand_out(&self) -> Built {
        match self {
            Shared::Input(it) => Built::Input(Box::new(SharedInput(Arc::clone(it)))),
            Shared::Processor(it) => Built::Processor(Box::new(Arc::clone(it))),
            Shared::Output(it) => Built::Output(Box::new(SharedOutput(Arc::clone(it)))),
            Shared::Cache(it) => Built::Cache(Arc::clone(it)),
            Shared::RateLimit(it) => Built::RateLimit(Arc::clone(it)),
        }
    }
}

impl<'a> Building<'a> {
    fn new(request: &'a BuildRequest<'a>) -> Building<'a> {
        let (threads, setting) = (threads(request.config), request.setting);
        setting.activity.set_threads(threads);
        let stop = setting.stop.clone();
        let surroundings = Surroundings {
            registry: request.registry,
            logger: request.logger.clone(),
            metrics: request.metrics.clone(),
            services: request.services.clone(),
            threads,
            pulse: Arc::new(setting.stop.clone()),
            input_bell: setting.bell.for_input(),
            output_bell: setting.output_bell.bell(),
            on_abandon: Box::new(move |hook| stop.on_abandon(hook)),
        };
        Building {
            request,
            threads,
            tally: setting.tally.clone(),
            bell: setting.bell.clone(),
            surroundings,
            tracer: Tracer::of(&request.services),
            dir: None,
            resources: of_process(&request.services),
            n_components: 0,
            of_process: request.services.get().map(ComponentsOfStream::new),
            uses: Uses::default(),
            strictness: Strictness::of(request.config, &request.logger),
            reached: None,
            within: None,
            outputs: None,
        }
    }

    /// From here on inputs are rung for by this bell.
    fn set_bell(&mut self, bell: Bell) {
        self.surroundings.input_bell = bell.for_input();
        self.bell = bell;
    }

    /// From here on inputs are a filler's, whose bell is returned.
    fn fill(&mut self) -> Result<Bell, BuildError> {
        let bell = Bell::new(&self.request.setting.world).map_err(|err| BuildError::new(cause(&err)))?;
        self.set_bell(bell.clone());
        Ok(bell)
    }

    /// What reads the input into a buffer, and the end of that where the pipeline reads.
    fn buffer(
        &mut self,
        node: &ComponentNode,
        input: Box<dyn Input>,
        bell: Bell,
    ) -> Result<(Box<dyn Input>, Filler), BuildError> {
        let component =
            self.component(node).map_err(|err| err.placed(node.kind, &node.label, BUFFER_PATH))?;
        let Setting { bell: pipeline_bell, replay_bound, taps, .. } = self.request.setting;
        self.set_bell(pipeline_bell.clone());
        let outside = node.dir.as_ref().map(|dir| self.dir.replace(Arc::clone(dir)));
        let built = component.build_buffer(self, node, BUFFER_PATH, bell.for_input());
        if let Some(outside) = outside {
            self.dir = outside;
        }
        let (ends, of) = (built?, self.observed(node, BUFFER_PATH));
        let accounts = Accounts { tally: self.tally.clone(), is_durable: ends.is_durable };
        let filler = Filler::new(under_input(input, ends.before), ends.buffer, bell, &of, accounts.clone());
        let tap = taps.point(BUFFER_PATH, &node.label);
        let outlet = Outlet::new(under_input(ends.input, ends.after), &of, tap, accounts);
        let mut replay =
            Replay::new(Box::new(outlet), pipeline_bell, of, self.tally.clone(), Pace::OF_INPUTS);
        replay.bound = *replay_bound;
        Ok((Box::new(replay), filler))
    }

    fn resources(&self) -> &'a Resources {
        &self.request.config.resources
    }

    /// The resources of a kind, and where they are.
    fn resources_of(&self, kind: ComponentKind) -> (&'a [ComponentNode], &'static str) {
        let all = self.resources();
        match kind {
            ComponentKind::Input => (&all.inputs, "root.input_resources"),
            ComponentKind::Processor => (&all.processors, "root.processor_resources"),
            ComponentKind::Output => (&all.outputs, "root.output_resources"),
            ComponentKind::Cache => (&all.caches, "root.cache_resources"),
            ComponentKind::RateLimit => (&all.rate_limits, "root.rate_limit_resources"),
            ComponentKind::Buffer
            | ComponentKind::Metrics
            | ComponentKind::Tracer
            | ComponentKind::Scanner => (&[], "root"),
        }
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
        let kinds = [
            ComponentKind::RateLimit,
            ComponentKind::Cache,
            ComponentKind::Processor,
            ComponentKind::Input,
            ComponentKind::Output,
        ];
        for kind in kinds {
            for node in self.resources_of(kind).0 {
                self.resource(kind, &node.label)?;
            }
        }
        self.uses.enter();
        Ok(())
    }

    fn caches(&self) -> Caches {
        let caches = self.resources.iter().filter_map(|((_, label), it)| match it {
            Resource::Built(Shared::Cache(cache)) => Some((label.clone(), Arc::clone(cache))),
            _ => None,
        });
        caches.collect()
    }

    fn pipeline(&mut self) -> Result<Vec<Placed>, BuildError> {
        const PATH: &str = "root.pipeline.processors";
        let (processors, is_shared) = self.list(&self.request.config.pipeline.processors, PATH)?;
        // Where several threads work on different batches, nobody expects anything.
        if is_shared && self.threads == 1 {
            return Ok(vec![(PATH.to_string(), Box::new(OneByOne(processors)))]);
        }
        Ok(processors.into_iter().enumerate().map(|(idx, it)| (format!("{PATH}.{idx}"), it)).collect())
    }

    /// Processors at `path.idx`, and whether two of them share something that keeps what it was given.
    fn list(
        &mut self,
        nodes: &[ComponentNode],
        path: &str,
    ) -> Result<(Vec<Box<dyn Processor>>, bool), BuildError> {
        let before = self.uses.enter();
        let build = |(idx, node)| self.processor(node, &format!("{path}.{idx}"));
        let processors = nodes.iter().enumerate().map(build).collect::<Result<_, _>>()?;
        let asked = self.uses.leave(before);
        let is_shared = self.uses.meet(&asked);
        asked.into_iter().for_each(|key| self.uses.ask(key));
        Ok((processors, is_shared))
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
            tracer: self.tracer.clone(),
        }
    }

    /// One component more is built.
    fn count(&mut self, node: &ComponentNode, path: &str) -> Result<(), BuildError> {
        self.n_components += 1;
        let err = match self.of_process.as_mut().map_or(Ok(()), ComponentsOfStream::take) {
            Ok(()) if self.n_components <= COMPONENTS_MAX => return Ok(()),
            Ok(()) => format!("a stream has at most {COMPONENTS_MAX} components"),
            Err(max) => format!("all streams of the process have at most {max} components together"),
        };
        let err = BuildError::new(err);
        Err(err.placed(node.kind, &node.label, path))
    }

    /// Builds the component alone, in the directory of its node's file. Nodes without one are below others, which are in it.
    fn alone(&mut self, node: &ComponentNode, path: &str) -> Result<(Built, &'static Component), BuildError> {
        let component = self.component(node).map_err(|err| err.placed(node.kind, &node.label, path))?;
        self.count(node, path)?;
        if let Some(strictness) = &self.strictness {
            strictness.see(node, &self.request.logger);
        }
        let outside = node.dir.as_ref().map(|dir| self.dir.replace(Arc::clone(dir)));
        let built = component.build(self, node, path);
        if let Some(outside) = outside {
            self.dir = outside;
        }
        Ok((built?, component))
    }

    /// The processors under an input or output.
    fn under(&mut self, node: &ComponentNode, path: &str) -> Result<Vec<Box<dyn Processor>>, BuildError> {
        let (processors, is_shared) = self.list(&node.processors, &format!("{path}.processors"))?;
        Ok(if is_shared { vec![Box::new(OneByOne(processors))] } else { processors })
    }

    /// Puts around an input what belongs there: its connection, its replays, its processors.
    fn around_input(
        &mut self,
        mut input: Box<dyn Input>,
        is_observed: bool,
        node: &ComponentNode,
        path: &str,
    ) -> Result<Box<dyn Input>, BuildError> {
        let replays = input.auto_replay_nacks();
        let setting = self.request.setting;
        if is_observed {
            let (observed, tap) = (self.observed(node, path), setting.taps.point(path, &node.label));
            input = Box::new(Intake::new(input, observed, tap, self.tally.clone(), &setting.activity));
        }
        if replays {
            input = self.replayed(input, &self.bell, node, path, Pace::OF_INPUTS);
        }
        Ok(under_input(input, self.under(node, path)?))
    }

    /// An input that is not the config's, with those processors of the config's that it goes through.
    fn input_instead(&mut self, instead: Instead<'_>) -> Result<Box<dyn Input>, BuildError> {
        let Setting { tally, activity, taps, .. } = self.request.setting;
        let of = Observed::silent(self.request.setting, "input", INPUT_PATH);
        let input = (instead.input)(self.bell.for_input());
        let tap = taps.point(INPUT_PATH, "");
        let input = Box::new(Intake::new(input, of, tap, tally.clone(), activity));
        let node = &self.request.config.input;
        let processors = match instead.is_as_read {
            true => self.under(node, "root.input")?,
            false => Vec::new(),
        };
        Ok(under_input(input, processors))
    }

    /// What stands in the place of an output, with what belongs around that.
    fn output_instead(&mut self, node: &ComponentNode, path: &str) -> Result<Option<Built>, BuildError> {
        let Some(instead) = self.outputs.filter(|_| node.kind == ComponentKind::Output) else {
            return Ok(None);
        };
        let Some(output) = instead(node, &mut Context::new(self, &node.label, path)) else {
            return Ok(None);
        };
        self.count(node, path)?;
        let output = output.map_err(|err| err.placed(node.kind, &node.label, path))?;
        self.around_output(output, true, node, path).map(|it| Some(Built::Output(it)))
    }

    /// Puts around a processor what belongs there: what is said of its failures.
    fn around_processor(
        &self,
        mut processor: Box<dyn Processor>,
        is_observed: bool,
        node: &ComponentNode,
        path: &str,
    ) -> Box<dyn Processor> {
        if is_observed {
            let BuildRequest { config, logger, setting, .. } = self.request;
            let failures = FailureLog::new(&config.error_handling.log, logger, node, path);
            let (observed, tap) = (self.observed(node, path), setting.taps.point(path, &node.label));
            processor = Box::new(ObservedProcessor::new(processor, observed, tap, failures));
        }
        if let Some(strictness) = self.strictness.clone() {
            processor = Box::new(Unfailed { inner: processor, strictness });
        }
        if let Some(reached) = &self.reached {
            processor = reached.around(processor, self.within.clone(), path);
        }
        processor
    }

    /// Puts the replays of an input around it.
    fn replayed(
        &self,
        input: Box<dyn Input>,
        bell: &Bell,
        node: &ComponentNode,
        path: &str,
        pace: Pace,
    ) -> Box<dyn Input> {
        let setting = self.request.setting;
        let mut replay = Replay::new(input, bell, self.observed(node, path), self.tally.clone(), pace);
        replay.bound = setting.replay_bound;
        Box::new(replay)
    }

    /// Puts around an output what belongs there: its connection, its processors.
    fn around_output(
        &mut self,
        mut output: Box<dyn Output>,
        is_observed: bool,
        node: &ComponentNode,
        path: &str,
    ) -> Result<Box<dyn Output>, BuildError> {
        if is_observed {
            let Setting { activity, output_bell, taps, .. } = self.request.setting;
            let (observed, tap) = (self.observed(node, path), taps.point(path, &node.label));
            output = Box::new(Line::new(output, observed, tap, output_bell.bell(), activity));
        }
        let processors = self.under(node, path)?;
        if !processors.is_empty() {
            if let Some(strictness) = self.strictness.clone() {
                output = Box::new(TurnsAway { inner: output, strictness });
            }
            output = Box::new(UnderOutput::new(output, processors));
        }
        Ok(output)
    }

    fn input(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Input>, BuildError> {
        match self.child(node, path)? {
            Built::Input(it) => Ok(it),
            _ => unreachable!("an input is built as one"),
        }
    }

    fn processor(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Processor>, BuildError> {
        match self.child(node, path)? {
            Built::Processor(it) => Ok(it),
            _ => unreachable!("a processor is built as one"),
        }
    }

    fn output(&mut self, node: &ComponentNode, path: &str) -> Result<Box<dyn Output>, BuildError> {
        match self.child(node, path)? {
            Built::Output(it) => Ok(it),
            _ => unreachable!("an output is built as one"),
        }
    }
}

impl Builder for Building<'_> {
    fn surroundings(&self) -> &Surroundings<'_> {
        &self.surroundings
    }

    fn config_dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    fn child(&mut self, node: &ComponentNode, path: &str) -> Result<Built, BuildError> {
        if let Some(instead) = self.output_instead(node, path)? {
            return Ok(instead);
        }
        let (built, component) = self.alone(node, path)?;
        let is_observed = component.is_observed;
        Ok(match built {
            Built::Input(it) => Built::Input(self.around_input(it, is_observed, node, path)?),
            Built::Output(it) => Built::Output(self.around_output(it, is_observed, node, path)?),
            Built::Processor(it) => Built::Processor(self.around_processor(it, is_observed, node, path)),
            Built::Cache(it) => Built::Cache(Arc::new(ObservedCache::new(it, self.observed(node, path)))),
            Built::RateLimit(it) => {
                Built::RateLimit(Arc::new(ObservedRateLimit::new(it, self.observed(node, path))))
            }
            other => other,
        })
    }

    fn resource(&mut self, kind: ComponentKind, label: &str) -> Result<Built, BuildError> {
        let key = (kind, label.to_string());
        let used = Key::Resource(kind, label.to_string());
        // Inputs and outputs are no part of a list of processors, and a rate limit gives nothing to be found.
        if matches!(kind, ComponentKind::Processor | ComponentKind::Cache) {
            self.uses.ask(used.clone());
        }
        match self.resources.get(&key) {
            Some(Resource::Built(it)) => return Ok(it.hand_out()),
            Some(Resource::UnderWay) => {
                return Err(BuildError::new(format!("{kind} resource '{label}' refers to itself")));
            }
            None => (),
        }
        let (nodes, path) = self.resources_of(kind);
        let Some(node) = nodes.iter().find(|it| it.label == label) else {
            return Err(BuildError::new(format!("{kind} resource '{label}' was not found")));
        };
        self.resources.insert(key.clone(), Resource::UnderWay);
        let before = self.uses.enter();
        let outside = self.within.replace(label.to_string());
        let built = self.child(node, path);
        self.within = outside;
        let built = built?;
        let asked = self.uses.leave(before);
        self.uses.note(used, asked);
        let shared = Shared::of(built).expect("a resource is built as one");
        let handed_out = shared.hand_out();
        self.resources.insert(key, Resource::Built(shared));
        Ok(handed_out)
    }

    /// Mappings ask for caches without being handed one: what they ask is answered when they run.
    fn reaches(&mut self, kept: Kept) {
        let cache = |label: String| Key::Resource(ComponentKind::Cache, label);
        match kept {
            Kept::Cache(label) => self.uses.ask(cache(label)),
            Kept::AnyCache => {
                let of_process = self.resources.keys().filter(|it| it.0 == ComponentKind::Cache);
                let of_process: Vec<String> = of_process.map(|it| it.1.clone()).collect();
                let labels = self.resources().caches.iter().map(|it| it.label.clone()).chain(of_process);
                labels.for_each(|it| self.uses.ask(cache(it)));
            }
            Kept::Counts => self.uses.ask(Key::Counts),
            Kept::Trace => self.tracer.keep_ids(),
        }
    }
}
