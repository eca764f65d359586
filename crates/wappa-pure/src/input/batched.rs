//! The input `batched`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use wappa_component::{
    Ack, BuildError, BuildInput, Charges, Component, Context, Failure, Input, News, Order, PARCEL_BYTES_MAX,
    PARCEL_MESSAGES_MAX, Parcel, Processor, ReadError, Stretch, Slices, Step, Waits, run_children, stopped,
};
use wappa_message::Message;
use wappa_spec::{ComponentNode, Config};

use crate::batching::{Collected, Mechanism, Policy, PolicyConfig};

// Its child is counted and logged.
pub(super) const COMPONENT: Component =
    Component::input::<BatchedConfig>("batched").categories(&["Utility"]).unobserved();

/// A batch is complete, whatever the policy says, when processors under the input have made its messages grow by so much:
/// a policy counts what the one who wrote it expects to come.
const GROWN_BYTES_MAX: usize = 512 << 20;

/// How many parcels are collected before control is given back, so that a stop need not wait for a large batch.
const PARCELS_AT_ONCE: usize = 16;

/// Reads from another input and makes batches of its messages.
///
/// A batch is complete when one of the limits of the policy is reached. What is left over when the input ends, or when
/// the stream is stopped, is a batch too, and is counted as one that a period completed.
///
/// # Examples
///
/// ### A hundred messages at a time, but none waits longer than a second
///
/// ```yaml
/// input:
///   batched:
///     child:
///       stdin: {}
///     policy:
///       count: 100
///       period: 1s
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// Each message is answered to the input it came from: of a batch that failed only in part, only those that failed. How
/// the other input replays them decides what batch they are in then.
///
/// # Performance
///
/// Batches pay for processors that work on many messages at once; moving messages is as cheap without them.
///
/// # Pitfalls
///
/// A batch is held in memory until it is complete. Where only a period ends batches, one that has come to 32 MiB ends
/// as well.
#[derive(Config, Debug)]
struct BatchedConfig {
    /// Where messages come from.
    #[config(child = "input")]
    child: ComponentNode,

    /// When a batch is complete.
    policy: PolicyConfig,
}

impl BuildInput for BatchedConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let child = ctx.input("batched.child", &self.child)?;
        Ok(Box::new(Batched::new(child, &self.policy, ctx)?))
    }
}

/// Puts batching behind an input, if the config asks for any.
pub(crate) fn batched(
    child: Box<dyn Input>,
    config: &PolicyConfig,
    ctx: &mut Context<'_>,
) -> Result<Box<dyn Input>, BuildError> {
    match config.is_empty() {
        true => Ok(child),
        false => Ok(Box::new(Batched::new(child, config, ctx)?)),
    }
}

impl Batched {
    fn new(
        child: Box<dyn Input>,
        config: &PolicyConfig,
        ctx: &mut Context<'_>,
    ) -> Result<Batched, BuildError> {
        let processors = ctx.processors("batching.processors", config.processors())?;
        let policy = Policy::new(config, ctx).map_err(BuildError::new)?;
        Ok(Batched {
            child,
            policy,
            processors,
            open: OpenBatch::default(),
            ready: VecDeque::new(),
            is_stopping: false,
        })
    }
}

struct Batched {
    child: Box<dyn Input>,
    policy: Policy,
    processors: Vec<Box<dyn Processor>>,
    /// What is collected.
    open: OpenBatch,
    /// Batches that are complete, in order.
    ready: VecDeque<Batch>,
    is_stopping: bool,
}

/// A batch, and whom to tell what became of it.
struct Batch {
    /// One for each of the sources.
    stretches: Vec<Stretch>,
    sources: Vec<Contribution>,
    n_messages: usize,
    n_bytes: usize,
    /// With what it keeps its order.
    order: Order,
    /// What was charged for what processors under the child have made of them.
    charges: Charges,
    /// Whether any of it was handed over before.
    has_replays: bool,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            stretches: Vec::new(),
            sources: Vec::new(),
            n_messages: 0,
            n_bytes: 0,
            // Of nothing: what is put to it decides.
            order: Order::None,
            charges: Charges::default(),
            has_replays: false,
        }
    }
}

impl Batch {
    /// Messages are added that keep this order, and may be replayed.
    fn join(&mut self, (order, is_replay): (Order, bool)) {
        self.order = self.order.with(order);
        self.has_replays |= is_replay;
    }
}

#[derive(Default)]
struct OpenBatch {
    batch: Batch,
    /// What processors under the input have made its messages grow by.
    grown: usize,
    /// When the period is over.
    due: Option<Duration>,
}

/// Who is told of the messages of one parcel in one batch; they are next to each other.
struct Contribution {
    /// Nothing once it has answered.
    ack: Option<Ack>,
    n_messages: usize,
    /// The origins of the messages, in the parcel, for which every piece of it answers. `None`: the messages are those that
    /// the ack answers for.
    origins: Option<Vec<u32>>,
}

impl Input for Batched {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        for _ in 0..PARCELS_AT_ONCE {
            if self.ready.is_empty() && self.is_time(step) {
                self.complete_in_time();
            }
            if !self.ready.is_empty() {
                return Ok(self.hand_over(step));
            }
            match self.child.read(waits, step) {
                Ok(parcel) => self.collect(parcel, step.take_charges(), step.now()),
                Err(ReadError::EndOfInput) if 0 < self.open.batch.n_messages => self.complete_in_time(),
                // That it has no more may have shown only now.
                Err(ReadError::NotReady) if 0 < self.open.batch.n_messages && self.is_time(step) => (),
                Err(err) => {
                    self.open.due.into_iter().for_each(|it| waits.until(it));
                    return Err(err);
                }
            }
        }
        waits.again();
        Err(ReadError::NotReady)
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.child.stop();
    }

    fn restart(&mut self) -> bool {
        self.child.restart()
    }

    fn close(&mut self) -> Result<(), String> {
        self.child.close()
    }

    fn is_exhausted(&self) -> bool {
        self.ready.is_empty() && self.open.batch.n_messages == 0 && self.child.is_exhausted()
    }

    fn takes_back(&self) -> bool {
        self.child.takes_back()
    }
}

impl Batched {
    /// Whether what is collected is not to wait for more.
    fn is_time(&self, step: &Step<'_>) -> bool {
        let is_due = self.open.due.is_some_and(|due| due <= step.now());
        is_due || self.is_stopping || self.child.is_exhausted()
    }

    /// Adds the messages of a parcel; some batches may be complete then.
    fn collect(&mut self, parcel: Parcel, charges: Charges, now: Duration) {
        self.open.grown += parcel.growth_bytes();
        let kind = (parcel.order(), parcel.is_replay());
        match parcel.into_stretch() {
            (Stretch::Slices(slices), ack) => self.collect_slices(slices, ack, kind, now),
            (Stretch::Messages(messages), ack) => self.collect_messages(messages, ack, kind, now),
        }
        match self.open.batch.n_messages {
            // All of it is in batches by now, or nothing ever was there.
            0 => {
                if let Some(last) = self.ready.back_mut() {
                    last.charges.append(charges);
                }
            }
            _ => self.open.batch.charges.append(charges),
        }
        if GROWN_BYTES_MAX <= self.open.grown {
            self.complete();
        }
    }

    /// Adds messages that nobody has looked at, without making any: that is for whoever works on them.
    fn collect_slices(&mut self, mut slices: Slices, mut ack: Ack, kind: (Order, bool), now: Duration) {
        while !slices.ranges.is_empty() {
            let (n_messages, n_bytes, mechanism) =
                self.room_for(slices.sizes(), |idx| slices.message(idx), now);
            let n_left = slices.ranges.len() - n_messages;
            let rest = (0 < n_left).then(|| {
                let first = ack.origins().start + n_messages as u32;
                (slices.split_off(n_messages), ack.split_off(first))
            });
            let source = Contribution { ack: Some(ack), n_messages, origins: None };
            self.open.batch.join(kind);
            self.add(Stretch::Slices(slices), source, n_bytes, mechanism);
            match rest {
                Some((rest, rest_ack)) => (slices, ack) = (rest, rest_ack),
                None => return,
            }
        }
        ack.delivered();
    }

    fn collect_messages(&mut self, mut messages: Vec<Message>, ack: Ack, kind: (Order, bool), now: Duration) {
        // A message that is left of many keeps the buffer of all of them alive.
        if messages.len() * 2 < ack.origins().len() {
            messages.iter_mut().for_each(Message::detach);
        }
        while !messages.is_empty() {
            let sizes = messages[..of_one_piece(&messages, &ack)].iter().map(|it| it.content().len());
            let (n_messages, n_bytes, mechanism) = self.room_for(sizes, |idx| messages[idx].clone(), now);
            let rest = messages.split_off(n_messages);
            let origins: Vec<u32> = messages.iter().map(Message::origin).collect();
            let source =
                Contribution { ack: Some(ack.share_of(&origins)), n_messages, origins: Some(origins) };
            self.open.batch.join(kind);
            self.add(Stretch::Messages(messages), source, n_bytes, mechanism);
            messages = rest;
        }
        // Every message has its piece.
        ack.answer(Vec::new());
    }

    /// How many messages of these sizes the batch takes, and of how many bytes; and why it is complete then.
    fn room_for(
        &mut self,
        sizes: impl Iterator<Item = usize>,
        message: impl Fn(usize) -> Message,
        now: Duration,
    ) -> (usize, usize, Option<Mechanism>) {
        if self.open.batch.n_messages == 0 {
            self.open.due = self.policy.begin().map(|it| now + it);
        }
        let Batch { n_messages, n_bytes, .. } = self.open.batch;
        let mut collected = Collected { n_messages, n_bytes };
        for (idx, size) in sizes.enumerate() {
            collected.n_messages += 1;
            collected.n_bytes += size;
            if let Some(mechanism) = self.policy.limit(collected, || message(idx)) {
                return (collected.n_messages - n_messages, collected.n_bytes - n_bytes, Some(mechanism));
            }
        }
        (collected.n_messages - n_messages, collected.n_bytes - n_bytes, None)
    }

    fn add(&mut self, stretch: Stretch, source: Contribution, n_bytes: usize, mechanism: Option<Mechanism>) {
        let batch = &mut self.open.batch;
        batch.n_messages += source.n_messages;
        batch.n_bytes += n_bytes;
        batch.stretches.push(stretch);
        batch.sources.push(source);
        if let Some(mechanism) = mechanism {
            self.policy.count(mechanism);
            self.complete();
        }
    }

    /// Closes the batch that is collected because its time is over: its period's, or the stream's, which counts as the
    /// same, as in Bento.
    fn complete_in_time(&mut self) {
        if 0 < self.open.batch.n_messages {
            self.policy.count(Mechanism::Period);
        }
        self.complete();
    }

    /// Closes the batch that is collected, if there is anything in it.
    fn complete(&mut self) {
        let open = std::mem::take(&mut self.open);
        if 0 < open.batch.n_messages {
            self.ready.push_back(open.batch);
        }
    }

    /// Hands over as many complete batches as a parcel holds, one at least.
    fn hand_over(&mut self, step: &mut Step<'_>) -> Parcel {
        let Batch { mut stretches, mut sources, mut n_messages, mut n_bytes, order, charges, mut has_replays } =
            self.ready.pop_front().expect("a batch is complete");
        // What follows came with the end of it, so it keeps no order that this one does not.
        step.put_charges(charges);
        let mut ends = vec![n_messages as u32];
        while let Some(next) = self.ready.pop_front_if(|next| {
            n_messages + next.n_messages <= PARCEL_MESSAGES_MAX && n_bytes + next.n_bytes <= PARCEL_BYTES_MAX
        }) {
            n_messages += next.n_messages;
            n_bytes += next.n_bytes;
            stretches.extend(next.stretches);
            sources.extend(next.sources);
            has_replays |= next.has_replays;
            step.put_charges(next.charges);
            ends.push(n_messages as u32);
        }
        let parcel = Parcel::of_stretches(stretches, ends, ack_of(sources, n_messages as u32)).with_order(order);
        let parcel = if has_replays { parcel.replayed() } else { parcel };
        if self.processors.is_empty() {
            return parcel;
        }
        let mut opened = parcel.open();
        step.begin();
        step.begin_part(opened.growth);
        let done = run_children(&self.processors, &mut opened.part, step);
        // What comes of a batch is one batch.
        opened.part.join_places();
        opened.split_off(done).ack.failed(stopped());
        opened.growth = step.growth();
        opened.growth.settle(|| opened.part.size());
        opened.into_parcel()
    }
}

/// How many of the messages one piece of the ack can stand for: where the source is told of each message, one piece has no
/// two that descend from the same.
fn of_one_piece(messages: &[Message], ack: &Ack) -> usize {
    let is_new = |pair: &[Message]| pair[0].origin() < pair[1].origin();
    match ack.is_leased() {
        true => 1 + messages.windows(2).take_while(|pair| is_new(pair)).count(),
        false => messages.len(),
    }
}

/// Answers for messages of all these sources: of each by itself, if any of them is told so.
fn ack_of(sources: Vec<Contribution>, n_messages: u32) -> Ack {
    if sources.iter().all(|it| it.ack.as_ref().is_none_or(|ack| !ack.is_leased())) {
        return Ack::new(n_messages, move |failures: Vec<Failure>| answer(sources, failures));
    }
    let sources = Mutex::new(sources);
    Ack::leased(n_messages, move |origins: &[u32], failures: Vec<Failure>| {
        let mut sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
        let news = settle(&mut sources, origins, failures);
        drop(sources);
        news.into_iter().for_each(News::tell);
    })
}

/// Some of the messages of a batch are answered.
fn settle(sources: &mut [Contribution], indices: &[u32], failures: Vec<Failure>) -> Vec<News> {
    let (mut indices, mut failures) = (indices.iter().copied().peekable(), failures.into_iter().peekable());
    let (mut begin, mut all_news) = (0, Vec::new());
    for source in sources {
        let end = begin + source.n_messages as u32;
        let own: Vec<u32> = std::iter::from_fn(|| indices.next_if(|it| *it < end)).collect();
        let failed = std::iter::from_fn(|| failures.next_if(|it| it.origin < end));
        if let Some(mut ack) = source.ack.take() {
            let origin_of = |idx: u32| source.origin_of(&ack, idx - begin);
            let failed = failed.map(|it| Failure { origin: origin_of(it.origin), ..it }).collect();
            let own: Vec<u32> = own.into_iter().map(origin_of).collect();
            all_news.push(ack.settle(&own, failed));
            source.ack = Some(ack);
        }
        begin = end;
    }
    all_news
}

/// Tells each parcel which of its messages failed.
fn answer(sources: Vec<Contribution>, failures: Vec<Failure>) {
    let mut failures = failures.into_iter().peekable();
    let mut begin = 0;
    for mut source in sources {
        let Some(ack) = source.ack.take() else { continue };
        let end = begin + source.n_messages as u32;
        let mut own = Vec::new();
        while let Some(Failure { origin, reason }) = failures.next_if(|it| it.origin < end) {
            own.push(Failure { origin: source.origin_of(&ack, origin - begin), reason });
        }
        ack.answer(own);
        begin = end;
    }
}

impl Contribution {
    /// The origin, in the parcel for which `ack` answers, of one of the messages.
    fn origin_of(&self, ack: &Ack, idx: u32) -> u32 {
        self.origins.as_ref().map_or(ack.origins().start + idx, |it| it[idx as usize])
    }
}

impl Drop for Contribution {
    /// What is collected when the stream is given up did not arrive, and only that.
    fn drop(&mut self) {
        let Some(ack) = self.ack.take() else { return };
        match &self.origins {
            None => ack.failed(stopped()),
            Some(origins) => {
                let failure = |origin: &u32| Failure { origin: *origin, reason: stopped() };
                ack.answer(origins.iter().map(failure).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use wappa_component::Pulse;

    use crate::test::{Harness, TempDir, check_lint, text};

    fn batched(dir: &TempDir, lines: &str, policy: &str) -> String {
        let path = dir.write("in.txt", lines.replace(' ', "\n"));
        format!("batched: {{child: {{file: {{paths: [{path}]}}}}, policy: {policy}}}")
    }

    fn check(lines: &str, policy: &str, expected: &str, created: &str) {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let mut input = harness.input(&batched(&dir, lines, policy));
        let read = harness.read_all(input.as_mut()).replace("not ready\n", "");
        assert_eq!(read, expected, "{policy}");
        let counters = harness.counters("batch_created");
        let counted: Vec<&str> = counters.lines().filter(|it| !it.ends_with(" 0")).collect();
        assert_eq!(counted.join("\n"), created, "{policy}");
    }

    fn counted(mechanism: &str, n: usize) -> String {
        format!("label=,mechanism={mechanism},path=root.input.batching {n}")
    }

    #[test]
    fn limits_and_the_remainder() {
        let and_the_last = |mechanism, n| format!("{}\n{}", counted(mechanism, n), counted("period", 1));
        check("a b c", "{count: 2}", "a|b\nc\nend\n", &and_the_last("count", 1));
        check("a b c d", "{count: 2}", "a|b\nc|d\nend\n", &counted("count", 2));
        check("aa bb cccccc d", "{byte_size: 3}", "aa|bb\ncccccc\nd\nend\n", &{
            format!("{}\n{}", counted("period", 1), counted("size", 2))
        });
        check("a b c", "{period: 1s}", "a|b|c\nend\n", &counted("period", 1));
        check("", "{count: 2}", "end\n", "");
    }

    #[test]
    fn a_check_completes_a_batch() {
        let and_the_last = |n| format!("{}\n{}", counted("check", n), counted("period", 1));
        check("a b! c d! e", r#"{check: 'content().has_suffix("!")'}"#, "a|b!\nc|d!\ne\nend\n", &and_the_last(2));
        // What is collected is seen, and nothing of the batch before.
        let policy = "{check: 'content() == content().from(0) && batch_index() > 0'}";
        check("a b a b c b x", policy, "a|b|a\nb|c|b\nx\nend\n", &and_the_last(2));
        check("a b c d", "{check: 'batch_size() == 3'}", "a|b|c\nd\nend\n", &and_the_last(1));
        // What counts is asked first, and a check that fails completes nothing.
        let created = format!("{}\n{}", counted("count", 1), counted("period", 1));
        check("a b c", "{count: 2, check: 'this.a'}", "a|b\nc\nend\n", &created);
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let mut input = harness.input(&batched(&dir, "a", "{check: 'this.a'}"));
        assert_eq!(harness.read_all(input.as_mut()).replace("not ready\n", ""), "a\nend\n");
        let log = harness.log.take();
        let text = "Error Failed to execute batch check query: failed assignment (line 1): unable to reference message as \
                    structured (with 'this.a'): parse as json: invalid character 'a' looking for beginning of value";
        assert!(log.contains(&format!("{text} label= path=root.input.batching")), "{log}");
    }

    #[test]
    fn a_batch_that_grew_much_is_complete() {
        let read = |grown: usize| {
            let mut harness = Harness::default();
            let config = format!("batched: {{child: {{swollen: '{grown}'}}, policy: {{count: 100}}}}");
            let mut input = harness.input(&config);
            let mut sizes = Vec::new();
            for _ in 0..10 {
                if let Ok((part, ack)) = harness.read_part(input.as_mut()) {
                    sizes.push(part.n_messages());
                    ack.delivered();
                }
            }
            sizes
        };
        assert_eq!((read(0), read(200 << 20)), (vec![5], vec![3, 2]));
    }

    #[test]
    fn processors_of_the_policy() {
        let policy = "{count: 2, processors: [{append: x}, {filter_on: b}, {double: {}}]}";
        check("a b c b b d", policy, "ax|ax\ncx|cx\ndx|dx\nend\n", &counted("count", 3));
        check("b b", policy, "-\nend\n", &counted("count", 1));
    }

    #[test]
    fn every_mechanism_is_there_from_the_start() {
        let dir = TempDir::new();
        let mut harness = Harness::default();
        harness.input(&batched(&dir, "", "{count: 2}"));
        let names: Vec<String> =
            ["check", "count", "period", "size"].iter().map(|it| counted(it, 0) + "\n").collect();
        assert_eq!(harness.counters("batch_created"), names.concat());
    }

    #[test]
    fn a_parcel_holds_several_batches_and_its_bounds() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let lines: Vec<String> = (0..1000).map(|it| it.to_string()).collect();
        let mut input = harness.input(&batched(&dir, &lines.join(" "), "{count: 100}"));
        let mut n_messages = Vec::new();
        loop {
            match harness.read_part(input.as_mut()) {
                Ok((part, ack)) => {
                    assert!((0..part.n_batches()).all(|it| part.batch(it).len() == 100));
                    n_messages.push(part.n_messages());
                    ack.delivered();
                }
                Err(text) if text == "end\n" => break,
                Err(_) => (),
            }
        }
        assert_eq!(n_messages.iter().sum::<usize>(), 1000);
        assert!(n_messages.contains(&200) && n_messages.iter().all(|it| *it <= 256), "{n_messages:?}");
    }

    #[test]
    fn a_period_ends_a_batch_during_silence() {
        let dir = TempDir::new();
        let pipe = dir.at("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
        let mut harness = Harness::default();
        let config =
            format!("batched: {{child: {{file: {{paths: [{pipe}]}}}}, policy: {{count: 3, period: 5s}}}}");
        let mut input = harness.input(&config);
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("the reader is there");
        writer.write_all(b"a\nb\n").expect("the pipe has room");
        // The parcel is collected, then the wait for more ends with the period.
        let mut read = String::new();
        for _ in 0..2 {
            read.push_str(&harness.read(input.as_mut()));
        }
        assert_eq!(read, "not ready\na|b\n");
        assert_eq!(harness.time.now(), Duration::from_secs(5));
        assert!(harness.counters("batch_created").contains(&counted("period", 1)));
        writer.write_all(b"c\n").expect("the pipe has room");
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        input.stop();
        assert_eq!(harness.read(input.as_mut()), "c\n");
        assert_eq!(harness.read(input.as_mut()), "end\n");
    }

    #[test]
    fn a_batch_answers_to_every_parcel_it_came_from() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let (one, two) = (dir.write("1.txt", "a\nb\nc\n"), dir.write("2.txt", "d\ne\nf\n"));
        let files = |it: &str| format!("{{file: {{paths: [{one}, {two}], delete_on_finish: {it}}}}}");
        let config = format!("batched: {{child: {}, policy: {{count: 2}}}}", files("true"));
        let mut input = harness.input(&config);
        let mut acks = Vec::new();
        loop {
            match harness.read_part(input.as_mut()) {
                Ok((part, ack)) => acks.push((text(&part), ack)),
                // It ends once it is known that no file has grown.
                Err(_) if input.is_exhausted() => break,
                Err(_) => (),
            }
        }
        let texts: Vec<&str> = acks.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["a|b\n", "c|d\ne|f\n"]);
        let mut acks = acks.into_iter().map(|(_, ack)| ack);
        acks.next().expect("two").delivered();
        assert!(dir.has("1.txt"), "`c` is not answered");
        let failed = wappa_component::Failure { origin: 2, reason: wappa_message::Mark::new("no `e`") };
        acks.next().expect("two").answer(vec![failed]);
        assert!(!dir.has("1.txt") && dir.has("2.txt"), "only `e` failed");
    }

    #[test]
    fn a_lease_is_answered_when_all_that_descends_from_it_is() {
        let mut harness = Harness::default();
        let mut input = harness.input("batched: {child: {copies: {}}, policy: {count: 3}}");
        let (part, mut ack) = harness.read_part(input.as_mut()).expect("two batches");
        assert_eq!(text(&part), "a|a|b\nb|c|c\n");
        let failure = |origin| wappa_component::Failure { origin, reason: wappa_message::Mark::new("full") };
        ack.settle(&[0], vec![failure(0)]).tell();
        ack.settle(&[2, 5], Vec::new()).tell();
        assert_eq!(harness.recorder.take(), "", "each has another one");
        ack.settle(&[1], Vec::new()).tell();
        assert_eq!(harness.recorder.take(), "[0] [0]");
        ack.settle(&[3], Vec::new()).tell();
        assert_eq!(harness.recorder.take(), "[1] []");
        drop(ack);
        assert_eq!(harness.recorder.take(), "[2] [2]");
    }

    #[test]
    fn what_is_left_of_many_is_copied() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let lines: Vec<String> = (0..200).map(|it| format!("{it:04}")).collect();
        let path = dir.write("in.txt", lines.join("\n"));
        // Processors under an input are the engine's; a resource in between stands for them here.
        let mut input =
            harness.input(&format!("batched: {{child: {{sieve: {path}}}, policy: {{count: 100}}}}"));
        let (part, ack) = loop {
            match harness.read_part(input.as_mut()) {
                Ok(read) => break read,
                Err(text) => assert_eq!(text, "not ready\n"),
            }
        };
        ack.delivered();
        assert_eq!(text(&part), "0007|0107\n");
        for message in part.messages() {
            assert!(message.content().is_unique(), "a content of its own");
        }
    }

    #[test]
    fn policies_that_are_none() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        for policy in ["{}", "{count: -1, byte_size: -5}", "{count: 0, period: ''}"] {
            let err =
                harness.try_input(&batched(&dir, "", policy)).err().map(|it| it.to_string()).unwrap_or_default();
            let text = "failed to init input <no label> path root.input: batch policy must have at least one active \
                        trigger";
            assert_eq!(err, text, "{policy}");
        }
        let lint = |policy: &str| format!("input:\n  batched:\n    child: {{stdin: {{}}}}\n    policy: {policy}\n");
        check_lint(&lint("{count: 1, jitter: 0.5}"), "");
        let text = "failed to parse duration string: time: invalid duration \"nope\"";
        check_lint(&lint("{period: nope}"), &format!("(4,1) {text}\n"));
        check_lint(&lint("{count: 1, jitter: -1}"), "(4,1) Cannot set a negative jitter factor\n");
    }
}
