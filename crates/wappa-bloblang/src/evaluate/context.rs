//! What a query sees around it: the value it is about, the values that have names, and the message.

use std::sync::Arc;

use crate::value::Evaluated;

/// The context of a query.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// What `this` is; none: the document.
    this: Option<&'a Evaluated>,
    /// What `this` was before. There is no more than one, as in Bento.
    before: Option<&'a Evaluated>,
    named: Option<&'a Named<'a>>,
    /// The message that functions look at.
    pub(crate) index: i64,
}

/// A value with a name, and those around it.
pub(crate) struct Named<'a> {
    name: &'a Arc<str>,
    value: &'a Evaluated,
    around: Option<&'a Named<'a>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(index: i64) -> Context<'a> {
        Context { this: None, before: None, named: None, index }
    }

    /// The value that the query is about; none: the document.
    pub(crate) fn this(self) -> Option<&'a Evaluated> {
        self.this
    }

    /// The context of a query about a value.
    pub(crate) fn with(self, this: &'a Evaluated) -> Context<'a> {
        Context { before: self.this, this: Some(this), ..self }
    }

    /// The context without the innermost value.
    pub(crate) fn popped(self) -> Context<'a> {
        Context { this: self.before, before: None, ..self }
    }

    /// A value with a name, to be put into a context.
    pub(crate) fn name(self, name: &'a Arc<str>, value: &'a Evaluated) -> Named<'a> {
        Named { name, value, around: self.named }
    }

    pub(crate) fn with_named<'b>(self, named: &'b Named<'b>) -> Context<'b>
    where
        'a: 'b,
    {
        Context { this: self.this, before: self.before, named: Some(named), index: self.index }
    }

    /// The value of a name.
    #[inline]
    pub(crate) fn named(self, name: &Arc<str>) -> Option<&'a Evaluated> {
        let mut named = self.named;
        while let Some(it) = named {
            // Where the query stands below what gives the name, it is the same text.
            if Arc::ptr_eq(it.name, name) || it.name == name {
                return Some(it.value);
            }
            named = it.around;
        }
        None
    }

    /// The context of queries about another message.
    pub(crate) fn at(self, index: i64) -> Context<'a> {
        Context { index, ..self }
    }
}
