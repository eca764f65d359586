//! What all spans of one place in a stream have in common.

use std::{
    collections::HashSet,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

/// What all spans of one place in a stream have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpanOf {
    /// What is done: `input_kafka`, `mapping`.
    pub name: Box<str>,
    /// Where: the component's label, unless it has none, and its path; and what else there is to say.
    pub attributes: Vec<(&'static str, Box<str>)>,
}

/// The same, for each span of the place.
///
/// Spans are made by one thread and end with another one, and a count that two of them change costs each several times as
/// much as all the rest of a span. So the first of a process are kept for good, and are equal where they say the same.
#[derive(Clone, Debug)]
pub struct SharedSpanOf(Kept);

#[derive(Clone, Debug)]
enum Kept {
    ForGood(&'static SpanOf),
    Counted(Arc<SpanOf>),
}

/// So many are kept for good: some hundred kilobytes, or a few megabytes where labels are as long as they may be.
const FOR_GOOD_MAX: usize = 2048;

impl From<SpanOf> for SharedSpanOf {
    fn from(of: SpanOf) -> SharedSpanOf {
        static ALL: Mutex<Option<HashSet<&'static SpanOf>>> = Mutex::new(None);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        SharedSpanOf(match all.get(&of) {
            Some(it) => Kept::ForGood(it),
            None if all.len() < FOR_GOOD_MAX => {
                let it: &'static SpanOf = Box::leak(Box::new(of));
                all.insert(it);
                Kept::ForGood(it)
            }
            None => Kept::Counted(Arc::new(of)),
        })
    }
}

impl Deref for SharedSpanOf {
    type Target = SpanOf;

    fn deref(&self) -> &SpanOf {
        match &self.0 {
            Kept::ForGood(it) => it,
            Kept::Counted(it) => it,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_good_is_bounded() {
        let of = |n: usize| SpanOf { name: n.to_string().into(), attributes: Vec::new() };
        let all: Vec<SharedSpanOf> = (0..2 * FOR_GOOD_MAX).map(|n| of(n).into()).collect();
        assert!(all.iter().enumerate().all(|(n, it)| **it == of(n)));
        let n_counted = all.iter().filter(|it| matches!(it.0, Kept::Counted(_))).count();
        assert!(FOR_GOOD_MAX <= n_counted, "{n_counted}");
        let again = SharedSpanOf::from(of(0));
        assert!(std::ptr::eq(&*again, &*all[0]), "it is the same");
    }
}
