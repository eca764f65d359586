//! Builds components from YAML and runs them, text in and text out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wappa_component::{
    Ack, Answer, Batches, BufferEnds, BuildError, Builder, Built, Cache, Component, Delivery, Input,
    InputBell, Level, LogSink, Logger, Metrics, Output, OutputBell, Parcel, Part, Processor, Pulse,
    RateLimit, ReadError, Sample, ScannerFactory, Series, Services, Step, Surroundings, Unpacked, Waits,
};
use wappa_message::{Context, Message, Reply};
use wappa_spec::{ComponentKind, ComponentNode, LintOptions, Reader, Registry, Source, Spec};

use crate::{Held, late};

/// Everything that components are built with and run in.
pub struct Harness {
    builder: TestBuilder,
    /// What time it is.
    pub time: Arc<Time>,
    /// What components of the tests say of themselves.
    pub recorder: Arc<Recorder>,
    /// What the outputs `late` have.
    pub held: Arc<Held>,
    /// What components have logged.
    pub log: Arc<Log>,
}

impl Harness {
    /// One that knows these components, and the output `late`. Its time moves when somebody waits, and only then.
    pub fn of(components: &[&'static Component]) -> Harness {
        Harness::in_time(components, Time::default())
    }

    /// One whose time is that of the clock, for components that wait for others.
    pub fn live(components: &[&'static Component]) -> Harness {
        Harness::in_time(components, Time::of_the_clock())
    }

    fn in_time(components: &[&'static Component], time: Time) -> Harness {
        let (recorder, log) = (Arc::new(Recorder::default()), Arc::new(Log::default()));
        let mut services = Services::default();
        services.insert(Arc::clone(&recorder));
        let held: Arc<Held> = Arc::default();
        services.insert(Arc::clone(&held));
        let time = Arc::new(time);
        let table: Vec<&'static Component> = [components, &[&late::COMPONENT]].concat();
        // What components are built with outlives every harness; a test makes few of them.
        let registry: &'static Vec<&'static Spec> =
            Box::leak(Box::new(table.iter().map(|it| &it.spec).collect()));
        let (input_bell, output_bell): (Arc<Bell>, Arc<Bell>) = Default::default();
        let (of_input, of_output) = (Arc::clone(&input_bell), Arc::clone(&output_bell));
        let builder = TestBuilder {
            surroundings: Surroundings {
                logger: Logger::new(Arc::clone(&log) as Arc<dyn LogSink>),
                services,
                input_bell: InputBell::new(move || of_input.ring()),
                output_bell: OutputBell::new(move || of_output.ring()),
                ..Surroundings::alone(registry, Arc::clone(&time) as Arc<dyn Pulse>)
            },
            table,
            caches: HashMap::new(),
            rate_limits: HashMap::new(),
            nodes: Vec::new(),
            input_bell,
            output_bell,
        };
        Harness { builder, time, recorder, held, log }
    }
}

/// Whether somebody wants to be called.
#[derive(Default)]
struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_all();
    }

    /// Whether it was rung since the last call.
    fn take(&self) -> bool {
        std::mem::take(&mut *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until it is rung, and leaves that to be taken.
    fn wait(&self, timeout: Duration) {
        let is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it was in time is for whoever looks.
        drop(self.rung.wait_timeout_while(is_rung, timeout, |it| !*it));
    }
}

fn node(kind: ComponentKind, config: &str, registry: &dyn Registry) -> ComponentNode {
    let source = Source::read(config.as_bytes(), |_| None).expect("the test's YAML is sound");
    let mut reader = Reader::new(registry, LintOptions::default());
    let node = ComponentNode::read(kind, &source.node, &mut reader);
    let errors: Vec<_> = reader.into_lints().into_iter().filter(|it| it.is_error()).collect();
    assert!(errors.is_empty(), "{config}: {errors:?}");
    node.expect("a component without lints can be read")
}

impl Harness {
    /// Adds a resource: a component with a label.
    pub fn resource(&mut self, kind: ComponentKind, config: &str) {
        let node = node(kind, config, self.builder.surroundings.registry);
        self.builder.nodes.push(node);
    }

    /// Builds an input.
    pub fn try_input(&mut self, config: &str) -> Result<Box<dyn Input>, BuildError> {
        match self.builder.built(ComponentKind::Input, config, "root.input")? {
            Built::Input(it) => Ok(it),
            _ => panic!("an input is built as one"),
        }
    }

    /// Builds an input and connects it, which has to succeed at once.
    pub fn input(&mut self, config: &str) -> Box<dyn Input> {
        let mut input = self.try_input(config).expect("the component can be built");
        input.connect(&mut Waits::default()).expect("the input can be connected");
        input
    }

    /// Builds a processor.
    pub fn processor(&mut self, config: &str) -> Result<Box<dyn Processor>, BuildError> {
        match self.builder.built(ComponentKind::Processor, config, "root.pipeline.processors.0")? {
            Built::Processor(it) => Ok(it),
            _ => panic!("a processor is built as one"),
        }
    }

    /// Builds an output.
    pub fn try_output(&mut self, config: &str) -> Result<Box<dyn Output>, BuildError> {
        match self.builder.built(ComponentKind::Output, config, "root.output")? {
            Built::Output(it) => Ok(it),
            _ => panic!("an output is built as one"),
        }
    }

    /// Builds an output and connects it, which has to succeed at once.
    pub fn output(&mut self, config: &str) -> Box<dyn Output> {
        let mut output = self.try_output(config).expect("the component can be built");
        output.connect().expect("the output can be connected");
        output
    }

    /// Both ends of a buffer. Its bell for whoever fills it is the same as for whoever reads.
    pub fn buffer(&mut self, config: &str) -> BufferEnds {
        let node = node(ComponentKind::Buffer, config, self.builder.surroundings.registry);
        let bell = self.builder.surroundings.input_bell.clone();
        self.builder
            .component(&node)
            .build_buffer(&mut self.builder, &node, "root.buffer", bell)
            .expect("the component can be built")
    }

    /// A cache that no label stands for.
    pub fn cache(&mut self, config: &str) -> Arc<dyn Cache> {
        self.resource(ComponentKind::Cache, &format!("{{label: its_own, {config}}}"));
        let cache = self.cache_of("its_own");
        self.builder.nodes.pop();
        self.builder.caches.remove("its_own");
        cache
    }

    /// A rate limit that no label stands for.
    pub fn rate_limit(&mut self, config: &str) -> Arc<dyn RateLimit> {
        match self.builder.built(ComponentKind::RateLimit, config, "root.rate_limit_resources") {
            Ok(Built::RateLimit(it)) => it,
            Ok(_) => panic!("a rate limit is built as one"),
            Err(err) => panic!("{err}"),
        }
    }

    /// The cache with this label.
    pub fn cache_of(&mut self, label: &str) -> Arc<dyn Cache> {
        match self.builder.resource(ComponentKind::Cache, label) {
            Ok(Built::Cache(it)) => it,
            Ok(_) => panic!("a cache is built as one"),
            Err(err) => panic!("{err}"),
        }
    }

    /// Builds a scanner.
    pub fn scanner(&mut self, config: &str) -> Box<dyn ScannerFactory> {
        match self.builder.built(ComponentKind::Scanner, config, "root.input.scanner") {
            Ok(Built::Scanner(it)) => it,
            Ok(_) => panic!("a scanner is built as one"),
            Err(err) => panic!("{err}"),
        }
    }

    /// Runs a processor to its end, or as far as it comes; batches in, finished batches out.
    pub fn process(&mut self, config: &str, inputs: &[&str]) -> String {
        self.process_part(config, batches(inputs))
    }

    /// Runs a processor over a part.
    pub fn process_part(&mut self, config: &str, mut part: Part) -> String {
        let processor = self.processor(config).expect("the component can be built");
        let n_places = part.n_places();
        let mut step = Step::new(0, self.time.as_ref());
        let children = [processor];
        let done = wappa_component::run_children(&children, &mut part, &mut step);
        assert_eq!(part.n_places(), n_places, "no batch is lost");
        part.split_off(done);
        text(&part)
    }

    /// Reads one parcel; says what became of it instead when there is none. It is answered as delivered.
    pub fn read(&mut self, input: &mut dyn Input) -> String {
        match self.read_part(input) {
            Ok((part, ack)) => {
                ack.delivered();
                text(&part)
            }
            Err(text) => text,
        }
    }

    /// Reads one parcel, to be answered; says what became of it instead when there is none.
    pub fn read_part(&mut self, input: &mut dyn Input) -> Result<(Part, Ack), String> {
        let mut waits = Waits::default();
        match self.read_parcel(input, &mut waits) {
            Ok(parcel) => {
                let Unpacked { part, ack, .. } = parcel.open();
                Ok((part, ack))
            }
            Err(ReadError::NotReady) => {
                self.wait(&waits);
                Err("not ready\n".to_string())
            }
            Err(ReadError::EndOfInput) => Err("end\n".to_string()),
            Err(ReadError::NotConnected) => Err("not connected\n".to_string()),
            Err(ReadError::SourceFailed(text)) => Err(format!("source failed: {text}\n")),
            Err(ReadError::BackOff(text)) => Err(format!("back off: {text}\n")),
        }
    }

    pub(crate) fn read_parcel(
        &mut self,
        input: &mut dyn Input,
        waits: &mut Waits,
    ) -> Result<Parcel, ReadError> {
        input.read(waits, &mut Step::new(1, self.time.as_ref()))
    }

    /// A wait that takes no time: what is not ready now never is, and what is due is due at once.
    ///
    /// By the clock it takes as long as it does, and not much longer than a few milliseconds.
    pub(crate) fn wait(&self, waits: &Waits) {
        if self.time.is_of_the_clock() {
            return self.wait_a_little(waits);
        }
        let is_ready = waits.descriptors().iter().any(|it| {
            let mut polled = [PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN)];
            let timeout = Timespec { tv_sec: 0, tv_nsec: 0 };
            0 < poll(&mut polled, Some(&timeout)).expect("it can be polled")
        });
        if !is_ready && let Some(until) = waits.time() {
            self.time.advance(until.saturating_sub(self.time.now()));
        }
    }

    fn wait_a_little(&self, waits: &Waits) {
        let until = waits.time().map_or(A_LITTLE, |it| it.saturating_sub(self.time.now()).min(A_LITTLE));
        if waits.descriptors().is_empty() {
            self.builder.input_bell.wait(until);
            self.builder.input_bell.take();
            return;
        }
        let of = |it: &'_ wappa_component::Descriptor| Arc::clone(it);
        let descriptors: Vec<_> = waits.descriptors().iter().map(of).collect();
        let mut polled: Vec<_> =
            descriptors.iter().map(|it| PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: until.subsec_nanos().into() };
        poll(&mut polled, Some(&timeout)).expect("it can be polled");
    }

    /// Waits a little for the output's bell.
    pub(crate) fn wait_for_output(&self) {
        self.builder.output_bell.wait(A_LITTLE);
    }

    /// Reads until the input ends, or until it has had nothing to give several times.
    pub fn read_all(&mut self, input: &mut dyn Input) -> String {
        let mut out = String::new();
        let mut n_not_ready = 0;
        while n_not_ready < 5 {
            let text = self.read(input);
            out.push_str(&text);
            match text.as_str() {
                "end\n" => break,
                "not ready\n" => n_not_ready += 1,
                _ => n_not_ready = 0,
            }
        }
        out
    }

    /// Writes batches and says what became of them.
    pub fn write(&mut self, output: &mut Box<dyn Output>, inputs: &[&str]) -> String {
        self.write_part(output, batches(inputs))
    }

    /// Writes a part and says what became of it.
    pub fn write_part(&mut self, output: &mut Box<dyn Output>, part: Part) -> String {
        let said = self.give_part(output, part);
        said.take()
    }

    /// Writes batches and waits for nothing; what is answered can be asked for later.
    pub fn give(&mut self, output: &mut Box<dyn Output>, inputs: &[&str]) -> Said {
        self.give_part(output, batches(inputs))
    }

    fn give_part(&mut self, output: &mut Box<dyn Output>, part: Part) -> Said {
        let (delivery, said) = Said::to(part);
        output.write(delivery, &mut Step::new(2, self.time.as_ref()));
        said
    }

    /// It is that time now.
    pub fn advance_to(&self, time: Option<Duration>) {
        self.time.advance(time.expect("there is such a time").saturating_sub(self.time.now()));
    }

    /// Calls the output, as at a stop.
    pub fn turn(&self, output: &mut Box<dyn Output>) {
        output.resume(&mut Step::new(2, self.time.as_ref()));
    }

    /// Nothing more comes.
    pub fn flush(&self, output: &mut Box<dyn Output>) {
        output.flush(&mut Step::new(2, self.time.as_ref()));
    }

    /// Calls the output after its bell was rung, or because the time it asked for has come; until it is quiet. Whether
    /// it was called.
    pub fn resume(&mut self, output: &mut Box<dyn Output>) -> bool {
        let mut n_calls = 0;
        while self.builder.output_bell.take() || output.due().is_some_and(|due| due <= self.time.now()) {
            output.resume(&mut Step::new(2, self.time.as_ref()));
            n_calls += 1;
            assert!(n_calls < 1000, "it is never quiet");
        }
        0 < n_calls
    }

    /// All series, to be added to.
    pub fn metrics(&self) -> &Metrics {
        &self.builder.surroundings.metrics
    }

    /// All series, and what they hold.
    pub fn samples(&self) -> Vec<(Series, Sample)> {
        self.builder.surroundings.metrics.samples()
    }

    /// The counters with this name, each with its labels.
    pub fn counters(&self, name: &str) -> String {
        let mut out = String::new();
        for (series, sample) in self.builder.surroundings.metrics.samples() {
            if series.name == name
                && let Sample::Counter(n) = sample
            {
                let labels: Vec<_> =
                    series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                out.push_str(&format!("{} {n}\n", labels.join(",")));
            }
        }
        out
    }
}

/// Writes to an output that answers at once.
pub fn answer(output: &mut dyn Output, part: Part, time: &Time) -> Answer {
    let (tx, rx) = std::sync::mpsc::channel();
    let delivery = Delivery::new(part, move |answer| tx.send(answer).expect("the test listens"));
    output.write(delivery, &mut Step::new(2, time));
    rx.try_recv().expect("it is answered at once")
}

/// What was answered to a delivery.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<String>>);

impl Said {
    /// A delivery of a part, and what will be answered to it.
    pub fn to(part: Part) -> (Delivery, Said) {
        let n_messages = part.n_messages();
        let said = Said::default();
        let other = said.clone();
        let delivery = Delivery::new(part, move |answer| other.put(answer_text(&answer, n_messages)));
        (delivery, said)
    }

    fn put(&self, text: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(said.is_empty(), "a delivery is answered once: {said}, {text}");
        *said = text;
    }

    /// `nothing` while it is not answered.
    pub fn take(&self) -> String {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_str() {
            "" => "nothing".to_string(),
            text => text.to_string(),
        }
    }
}

/// An answer as text: which messages did not arrive, and why.
fn answer_text(answer: &Answer, n_messages: usize) -> String {
    let list: Vec<String> = answer.failures.iter().map(|(idx, mark)| format!("{idx}: {mark}")).collect();
    let all_for = answer.failures.first().map(|(_, first)| first).filter(|first| {
        answer.failures.len() == n_messages && answer.failures.iter().all(|(_, mark)| mark == *first)
    });
    match (all_for, list.is_empty()) {
        (_, true) => "delivered".to_string(),
        (Some(_), _) if answer.is_closed => "closed".to_string(),
        (Some(reason), _) => format!("failed: {reason}"),
        (None, _) if answer.is_closed => format!("closed: {}", list.join(", ")),
        (None, _) => format!("partial: {}", list.join(", ")),
    }
}

/// A part of batches whose messages are separated by `|`. `!` at the end of a message marks it as failed.
pub fn batches(inputs: &[&str]) -> Part {
    let message = |text: &str| match text.strip_suffix('!') {
        Some(text) => {
            let mut message = Message::new(text.to_string());
            message.set_error(wappa_message::Mark::new(format!("{text} is bad")));
            message
        }
        None => Message::new(text.to_string()),
    };
    let mut messages: Vec<Message> = Vec::new();
    let mut ends = Vec::new();
    for input in inputs {
        messages.extend(input.split('|').map(message));
        ends.push(messages.len() as u32);
    }
    for (idx, message) in messages.iter_mut().enumerate() {
        message.set_origin(idx as u32);
    }
    let is_singles = ends.len() == messages.len();
    Part::new(messages, if is_singles { Batches::Singles } else { Batches::Ends(ends) })
}

/// A line for each batch; an empty message is `""`, an empty batch `-`, a mark stands in brackets.
pub fn text(part: &Part) -> String {
    let message = |it: &Message| {
        let content = match it.content().as_ref() {
            b"" => "\"\"".to_string(),
            content => content.escape_ascii().to_string(),
        };
        match it.error() {
            Some(mark) => format!("{content}[{mark}]"),
            None => content,
        }
    };
    let mut out = String::new();
    for idx in 0..part.n_batches() {
        let batch = &part.messages()[part.batch(idx)];
        let line: Vec<String> = batch.iter().map(message).collect();
        out.push_str(if batch.is_empty() { "-" } else { "" });
        out.push_str(&line.join("|"));
        out.push('\n');
    }
    out
}

/// Batches whose messages come from clients that wait for replies: the digit in front of each is its client, and `0` nobody.
/// Beside it, the replies up to now, by client.
pub fn reply_to(inputs: &[&str]) -> (Part, impl Fn() -> String) {
    let mut part = batches(inputs);
    let mut clients: BTreeMap<u8, Arc<Reply>> = BTreeMap::new();
    for message in part.messages_mut() {
        let client = message.content()[0];
        if client != b'0' {
            let reply = Some(Arc::clone(clients.entry(client).or_default()));
            message.set_context(Arc::new(Context { reply, ..Context::default() }));
        }
    }
    let of = |batch: &Vec<Message>| {
        assert!(batch.iter().all(|it| it.context().is_none()), "a reply is on no way");
        batch.iter().map(|it| String::from_utf8_lossy(it.content())).collect::<Vec<_>>().join("|")
    };
    let replies = move || {
        let reply = |(client, reply): (&u8, &Arc<Reply>)| {
            let batches: Vec<String> = reply.take().iter().map(of).collect();
            format!("{}: {}", *client as char, batches.join(", "))
        };
        clients.iter().map(reply).collect::<Vec<_>>().join("; ")
    };
    (part, replies)
}

/// How long a wait takes at most that is made again and again.
const A_LITTLE: Duration = Duration::from_millis(5);

/// Time that moves when somebody waits, and only then; or that of the clock.
#[derive(Debug, Default)]
pub struct Time {
    /// When the clock's began.
    began: Option<Instant>,
    now_ns: AtomicU64,
    ticks: AtomicU64,
    /// How many milliseconds a look at the ticks takes.
    pub ticks_per_look: AtomicU64,
    /// Whether everything is given up.
    pub is_interrupted: AtomicBool,
}

impl Time {
    fn of_the_clock() -> Time {
        Time { began: Some(Instant::now()), ..Time::default() }
    }

    /// Whether it goes on while nobody waits.
    pub fn is_of_the_clock(&self) -> bool {
        self.began.is_some()
    }

    /// So much time goes by.
    pub fn advance(&self, duration: Duration) {
        match self.began {
            Some(_) => thread::sleep(duration),
            None => _ = self.now_ns.fetch_add(duration.as_nanos() as u64, Ordering::Relaxed),
        }
    }
}

impl Pulse for Time {
    fn now(&self) -> Duration {
        match self.began {
            Some(began) => began.elapsed(),
            None => Duration::from_nanos(self.now_ns.load(Ordering::Relaxed)),
        }
    }

    fn ticks(&self) -> u64 {
        self.ticks.fetch_add(self.ticks_per_look.load(Ordering::Relaxed), Ordering::Relaxed)
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    fn sleep(&self, duration: Duration) -> bool {
        if !self.is_interrupted() {
            self.advance(duration);
        }
        !self.is_interrupted()
    }
}

/// What outputs and processors of the tests did, in order.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    /// Something was done.
    pub fn push(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// Everything since the last call.
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).join("\n")
    }
}

/// Log lines as text.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<String>>);

impl Log {
    /// Everything since the last call.
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).concat()
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("time", &self.time).finish_non_exhaustive()
    }
}

impl LogSink for Log {
    fn enabled(&self, level: Level) -> bool {
        level <= Level::Info
    }

    fn write(&self, level: Level, message: &str, fields: &[(&str, Cow<'_, str>)]) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = format!("{level:?} {message} {}\n", fields.join(" "));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

struct TestBuilder {
    surroundings: Surroundings<'static>,
    table: Vec<&'static Component>,
    /// Those that somebody has asked for.
    caches: HashMap<String, Arc<dyn Cache>>,
    rate_limits: HashMap<String, Arc<dyn RateLimit>>,
    nodes: Vec<ComponentNode>,
    input_bell: Arc<Bell>,
    output_bell: Arc<Bell>,
}

impl TestBuilder {
    fn component(&self, node: &ComponentNode) -> &'static Component {
        let found = self.table.iter().find(|it| it.spec.kind == node.kind && it.spec.name == node.name);
        found.expect("the registry has it")
    }

    fn built(&mut self, kind: ComponentKind, config: &str, path: &str) -> Result<Built, BuildError> {
        let node = node(kind, config, self.surroundings.registry);
        self.child(&node, path)
    }

    fn shared(&self, kind: ComponentKind, label: &str) -> Option<Built> {
        match kind {
            ComponentKind::Cache => self.caches.get(label).map(|it| Built::Cache(Arc::clone(it))),
            ComponentKind::RateLimit => {
                self.rate_limits.get(label).map(|it| Built::RateLimit(Arc::clone(it)))
            }
            _ => None,
        }
    }
}

impl Builder for TestBuilder {
    fn surroundings(&self) -> &Surroundings<'_> {
        &self.surroundings
    }

    fn child(&mut self, node: &ComponentNode, path: &str) -> Result<Built, BuildError> {
        self.component(node).build(self, node, path)
    }

    fn resource(&mut self, kind: ComponentKind, label: &str) -> Result<Built, BuildError> {
        if let Some(built) = self.shared(kind, label) {
            return Ok(built);
        }
        let found = self.nodes.iter().find(|it| it.kind == kind && it.label == label).cloned();
        let node = found.ok_or_else(|| BuildError::new(format!("there is no {kind} resource `{label}`")))?;
        let built = self.child(&node, &format!("root.{kind}_resources"))?;
        match &built {
            Built::Cache(it) => _ = self.caches.insert(label.to_string(), Arc::clone(it)),
            Built::RateLimit(it) => _ = self.rate_limits.insert(label.to_string(), Arc::clone(it)),
            _ => (),
        }
        Ok(built)
    }
}
