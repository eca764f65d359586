//! Contexts of messages that are ranges of a buffer: a short list beside them, of those few that have one.

use std::{ops::Range, sync::Arc};

use wappa_message::Context;

/// Which messages of a buffer have a context, and which one. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct Contexts(Option<Arc<[InContext]>>);

/// The number of a message, and its context.
type InContext = (usize, Arc<Context>);

impl Contexts {
    /// The same, in which these messages, by number and in order, have these contexts.
    pub(crate) fn with(&self, new: impl Iterator<Item = InContext>) -> Contexts {
        let mut before = self.within(0..usize::MAX).peekable();
        let mut all = Vec::with_capacity(new.size_hint().0);
        for (number, context) in new {
            while let Some((number, context)) = before.next_if(|(it, _)| *it < number) {
                all.push((number, Arc::clone(context)));
            }
            before.next_if(|(it, _)| *it == number);
            all.push((number, context));
        }
        all.extend(before.map(|(number, context)| (number, Arc::clone(context))));
        Contexts((!all.is_empty()).then(|| all.into()))
    }

    /// Those of the messages with these numbers, in order.
    #[inline]
    pub(crate) fn within(&self, numbers: Range<usize>) -> impl Iterator<Item = (usize, &Arc<Context>)> {
        let all = self.0.as_deref().unwrap_or_default();
        let from = all.partition_point(|(it, _)| *it < numbers.start);
        all[from..].iter().take_while(move |(it, _)| *it < numbers.end).map(|(it, context)| (*it, context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(contexts: &Contexts, numbers: Range<usize>) -> String {
        contexts
            .within(numbers)
            .map(|(it, context)| format!("{it}{}", context.came_as.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_message_has_the_context_that_it_was_given_last() {
        let new = |came_as: &'static str, numbers: &'static [usize]| {
            let context =
                move |it: &usize| (*it, Arc::new(Context { came_as: Some(came_as), ..Context::default() }));
            numbers.iter().map(context)
        };
        let none = Contexts::default();
        assert_eq!((text(&none, 0..9), none.with(new("a", &[])).0.is_none()), (String::new(), true));
        let one = none.with(new("a", &[1, 3, 5]));
        assert_eq!(
            ["", "1a3a", "3a", "5a"],
            [0..1, 1..4, 2..5, 4..9].map(|it| text(&one, it)).each_ref().map(|it| it.as_str())
        );
        assert_eq!(text(&one.with(new("b", &[0, 3, 7])), 0..9), "0b1a3b5a7b");
        assert_eq!(text(&one.with(new("b", &[])), 0..9), "1a3a5a");
    }
}
