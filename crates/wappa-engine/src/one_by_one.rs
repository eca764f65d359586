//! One batch after the other through a whole list of processors: where two of them share what they keep, what one finds
//! there must not depend on how many batches another one has seen before.

use std::collections::HashMap;

use wappa_component::{Part, Processor, Step, in_chunks, run_children};
use wappa_spec::ComponentKind;

/// Processors that get the next batch when all of them have finished the one before, as in Bento.
pub(crate) struct OneByOne(pub(crate) Vec<Box<dyn Processor>>);

impl Processor for OneByOne {
    fn process(&self, part: &mut Part, step: &mut Step<'_>) -> usize {
        in_chunks(part, step, |chunk, step| {
            let mut rest = std::mem::replace(chunk, Part::singles(Vec::new()));
            let mut n_finished = 0;
            while 0 < rest.n_places() {
                let tail = rest.split_off(1);
                let mut one = std::mem::replace(&mut rest, tail);
                let done = run_children(&self.0, &mut one, step);
                chunk.append(one);
                n_finished += done;
                if done == 0 {
                    break;
                }
            }
            chunk.append(rest);
            n_finished
        })
    }
}

/// Something that keeps what it was given, and is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Resource(ComponentKind, String),
    /// What mappings count by name.
    Counts,
}

/// Who asks for what is shared.
#[derive(Default)]
pub(crate) struct Uses {
    /// What was asked for since this was looked at last.
    asked: Vec<Key>,
    /// By resource: what it asks for itself.
    within: HashMap<Key, Vec<Key>>,
}

impl Uses {
    /// Somebody asks for it.
    pub(crate) fn ask(&mut self, key: Key) {
        self.asked.push(key);
    }

    /// What is asked for until it is [left](Uses::leave) belongs to something else. Returns what was asked for before.
    pub(crate) fn enter(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.asked)
    }

    /// Goes on with what was asked for before. Returns what was asked for meanwhile.
    pub(crate) fn leave(&mut self, before: Vec<Key>) -> Vec<Key> {
        std::mem::replace(&mut self.asked, before)
    }

    /// The resource asks for these.
    pub(crate) fn note(&mut self, key: Key, asked: Vec<Key>) {
        self.within.insert(key, asked);
    }

    /// Whether something that keeps what it was given is reached in two ways from these.
    pub(crate) fn meet(&self, asked: &[Key]) -> bool {
        let mut seen: HashMap<&Key, u32> = HashMap::new();
        let mut to_see: Vec<&Key> = asked.iter().collect();
        while let Some(key) = to_see.pop() {
            let n = seen.entry(key).or_default();
            *n += 1;
            if 1 < *n {
                return true;
            }
            to_see.extend(self.within.get(key).into_iter().flatten());
        }
        false
    }
}
