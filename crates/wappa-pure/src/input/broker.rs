//! The input `broker`.

use wappa_component::{
    BuildError, BuildInput, Component, Context, Input, Parcel, ReadError, Step, Waits,
};
use wappa_spec::{ComponentNode, Config, Node, Reader, Rule};

use super::batched;
use crate::batching::PolicyConfig;

// Its children are counted and logged.
pub(super) const COMPONENT: Component =
    Component::input::<BrokerConfig>("broker").categories(&["Utility"]).unobserved();

/// Reads from several inputs at the same time.
///
/// Whatever one of them has is handed on at once, however silent the others are; where several have something, each has its
/// turn. The stream ends when all of them have.
///
/// # Examples
///
/// ### Files, and what is typed meanwhile
///
/// ```yaml
/// input:
///   broker:
///     inputs:
///       - stdin: {}
///       - file:
///           paths: [ ./logs/*.log ]
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// Each message is answered to the input it came from, which replays what failed. Messages of one input keep their order;
/// between inputs there is none. Each input connects, and waits for a lost connection, by itself. One that is given up with
/// an error ends, and the others go on.
///
/// Processors under one of the inputs see its messages alone, and those under the broker all of them, behind the others.
/// With `batching`, messages of several inputs come together in a batch. What is collected is handed on at once when nothing
/// more can come.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct BrokerConfig {
    /// How many of each input there are.
    #[config(default = "1", advanced)]
    copies: i64,

    /// Where messages come from.
    #[config(child = "input")]
    inputs: Vec<ComponentNode>,

    /// Whether messages are collected, and when a batch is complete.
    batching: PolicyConfig,
}

const NO_INPUTS: &str = "attempting to create broker input type with no inputs";

fn lint(config: &BrokerConfig, node: &Node, reader: &mut Reader<'_>) {
    if config.inputs.is_empty() {
        reader.error(Rule::Custom, node.get("inputs").unwrap_or(node), NO_INPUTS);
    }
}

impl BuildInput for BrokerConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        if self.inputs.is_empty() {
            return Err(BuildError::new(NO_INPUTS));
        }
        let mut children = Vec::new();
        // Less than one is one, as in Bento.
        for _ in 0..self.copies.max(1) {
            for (idx, node) in self.inputs.iter().enumerate() {
                children.push(Child { input: ctx.input(&format!("broker.inputs.{idx}"), node)?, is_over: false });
            }
        }
        batched::batched(Box::new(Broker { children, next: 0 }), &self.batching, ctx)
    }
}

struct Broker {
    children: Vec<Child>,
    /// Whose turn it is.
    next: usize,
}

struct Child {
    input: Box<dyn Input>,
    is_over: bool,
}

impl Input for Broker {
    fn read(&mut self, waits: &mut Waits, step: &mut Step<'_>) -> Result<Parcel, ReadError> {
        let n = self.children.len();
        for idx in (0..n).map(|it| (self.next + it) % n) {
            let child = &mut self.children[idx];
            if child.is_over {
                continue;
            }
            match child.input.read(waits, step) {
                Err(ReadError::NotReady) => (),
                Err(ReadError::EndOfInput) => child.is_over = true,
                result => {
                    self.next = (idx + 1) % n;
                    return result;
                }
            }
        }
        Err(if self.children.iter().all(|it| it.is_over) { ReadError::EndOfInput } else { ReadError::NotReady })
    }

    fn stop(&mut self) {
        self.children.iter_mut().for_each(|it| it.input.stop());
    }

    fn restart(&mut self) -> bool {
        for child in &mut self.children {
            child.is_over = !child.input.restart();
        }
        self.children.iter().any(|it| !it.is_over)
    }

    fn is_exhausted(&self) -> bool {
        self.children.iter().all(|it| it.is_over || it.input.is_exhausted())
    }

    fn takes_back(&self) -> bool {
        self.children.iter().all(|it| it.input.takes_back())
    }

    fn close(&mut self) -> Result<(), String> {
        let results: Vec<_> = self.children.iter_mut().map(|it| it.input.close()).collect();
        results.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::test::{Harness, TempDir, check_lint};

    fn pipe(dir: &TempDir, name: &str) -> String {
        let path = dir.at(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
        path.to_string()
    }

    fn files(paths: &[String]) -> String {
        let inputs: Vec<String> = paths.iter().map(|it| format!("file: {{paths: [{it}]}}")).collect();
        format!("[{{{}}}]", inputs.join("}, {"))
    }

    #[test]
    fn each_has_its_turn_until_all_have_ended() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let paths = [dir.write("1.txt", "a\nb\n"), dir.write("2.txt", ""), dir.write("3.txt", "c\n")];
        let mut input = harness.input(&format!("broker: {{inputs: {}}}", files(&paths)));
        assert_eq!(harness.read_all(input.as_mut()), "a\nb\nc\nend\n");
        assert_eq!(harness.read(input.as_mut()), "end\n");
        assert!(input.restart());
        assert_eq!(harness.read_all(input.as_mut()), "a\nb\nc\nend\n");
        let mut input = harness.input(&format!("broker: {{copies: 2, inputs: {}}}", files(&paths[..1])));
        assert_eq!(harness.read_all(input.as_mut()), "a\nb\na\nb\nend\n");
    }

    #[test]
    fn whoever_has_something_is_heard_while_the_others_are_silent() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let paths: Vec<String> = (0..10).map(|it| pipe(&dir, &it.to_string())).collect();
        let mut input = harness.input(&format!("broker: {{inputs: {}}}", files(&paths)));
        assert_eq!(harness.read(input.as_mut()), "not ready\n");
        let open = |path: &String| std::fs::OpenOptions::new().write(true).open(path).expect("the reader is there");
        let mut writers: Vec<_> = paths.iter().map(open).collect();
        for idx in [7, 0, 9] {
            writers[idx].write_all(format!("{idx}\n").as_bytes()).expect("the pipe has room");
            assert_eq!(harness.read(input.as_mut()), format!("{idx}\n"));
            assert_eq!(harness.read(input.as_mut()), "not ready\n");
        }
        // One that always has something does not starve the others.
        writers[3].write_all("3\n".repeat(1000).as_bytes()).expect("the pipe has room");
        writers[2].write_all(b"2\n").expect("the pipe has room");
        let read: String = (0..2).map(|_| harness.read(input.as_mut())).collect();
        assert!(read.contains("2\n"), "{read}");
        input.stop();
        assert!(harness.read_all(input.as_mut()).ends_with("end\n"));
    }

    #[test]
    fn batches_of_several() {
        let (dir, mut harness) = (TempDir::new(), Harness::default());
        let paths = [dir.write("1.txt", "a\nb\nc\n"), dir.write("2.txt", "d\n")];
        let mut input = harness.input(&format!("broker: {{inputs: {}, batching: {{count: 3}}}}", files(&paths)));
        assert_eq!(harness.read_all(input.as_mut()), "a|b|c\nd\nend\n");
        assert!(harness.counters("batch_created").contains("mechanism=count,path=root.input.batching 1"));
    }

    #[test]
    fn it_needs_inputs() {
        let text = "attempting to create broker input type with no inputs";
        check_lint("input:\n  broker:\n    inputs: []\n", &format!("(3,1) {text}\n"));
    }
}
