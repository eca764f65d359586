//! Where a query looks at a value for the last time, so that it may have the value itself: what nobody else holds grows in
//! its place.
//!
//! `fold` lends its tally so. A query that is evaluated once, and sees the tally only by its name, finds it with the machine
//! and not in an object; the last place that is come to takes it away. What cannot be told is not lent: the query finds an
//! object with both, as any other query does.

use std::sync::Arc;

use crate::{
    program::{Case, Expr, Field, FieldRoot, Lent, Statement, StatementKind, Target},
    registry::bound::MethodBody,
};

/// Has `root = this` have the document itself where no later statement may look at it, so that what is assigned behind it
/// changes it in its place.
pub(crate) fn give_document(statements: &mut [Statement]) {
    for statement in statements.iter_mut().rev() {
        if let StatementKind::Assign(Target::Root(path), Expr::Field(field)) = &mut statement.kind
            && path.is_empty()
            && field.path.is_empty()
            && matches!(field.root, FieldRoot::This)
        {
            field.lent = Lent::Document;
            return;
        }
        if !is_blind(statement) {
            return;
        }
    }
}

/// Whether nothing in a statement can be about the document.
fn is_blind(statement: &Statement) -> bool {
    match &statement.kind {
        StatementKind::Assign(_, query) => is_blind_query(query),
        StatementKind::If(branches) => branches.iter().all(|(condition, statements)| {
            condition.as_ref().is_none_or(is_blind_query) && statements.iter().all(is_blind)
        }),
    }
}

fn is_blind_query(query: &Expr) -> bool {
    match query {
        Expr::Literal(_) | Expr::Variable(_) | Expr::Metadata(_) => true,
        // Also where it is about something else, which within lambdas may lead back to the document.
        Expr::Field(field) => !matches!(field.root, FieldRoot::This),
        Expr::Get(get) => is_blind_query(&get.0),
        Expr::Not(query) => is_blind_query(query),
        Expr::Binary(it) => is_blind_query(&it.left) && is_blind_query(&it.right),
        Expr::If(it) => {
            let branches = it.branches.iter().flat_map(|(condition, result)| [condition, result]);
            branches.chain(&it.otherwise).all(is_blind_query)
        }
        Expr::Index(it) => is_blind_query(&it.0) && is_blind_query(&it.1),
        Expr::Array(queries) => queries.iter().all(is_blind_query),
        Expr::Object(pairs) => {
            pairs.iter().all(|(name, value)| is_blind_query(name) && is_blind_query(value))
        }
        Expr::Function(call) => call.args.dynamic().chain(call.args.queries()).all(is_blind_query),
        Expr::Method(call) => {
            let args = call.args.dynamic().chain(call.args.queries());
            is_blind_query(&call.target) && args.into_iter().all(is_blind_query)
        }
        // These take up whatever they are in, or may be told to look anywhere.
        Expr::Match(_) | Expr::Lambda(_) | Expr::Map(_) | Expr::Apply(_) | Expr::Slice(_) => false,
    }
}

/// The name of what is lent, in the value that the query is about.
const TALLY: &[u8] = b"tally";

/// Has a query find the tally with the machine, if that can be; says whether it does.
pub(crate) fn lend(query: &mut Expr) -> bool {
    let (lender, body) = match query {
        Expr::Lambda(lambda) if &*lambda.name == "_" => return false,
        Expr::Lambda(lambda) => {
            (Lender { name: Some(Arc::clone(&lambda.name)), marks: false }, &mut lambda.body)
        }
        query => (Lender { name: None, marks: false }, query),
    };
    if lender.look(body, false) != Some(true) {
        return false;
    }
    Lender { marks: true, ..lender }.look(body, false) == Some(true)
}

struct Lender {
    /// The name of the value that the query is about; without one it is `this`.
    name: Option<Arc<str>>,
    /// Whether places are marked; else they are looked at.
    marks: bool,
}

impl Lender {
    /// Goes through a query from the end of its evaluation to the beginning; `is_wanted`: the tally is looked at later.
    /// Whether it is wanted by whoever comes before, or nothing where it cannot be lent.
    fn look(&self, query: &mut Expr, is_wanted: bool) -> Option<bool> {
        match query {
            Expr::Literal(_) | Expr::Variable(_) | Expr::Metadata(_) => Some(is_wanted),
            Expr::Field(field) => self.field(field, is_wanted),
            Expr::Get(get) => self.look(&mut get.0, is_wanted),
            Expr::Not(query) => self.look(query, is_wanted),
            Expr::Binary(it) => self.all([&mut it.left, &mut it.right], is_wanted),
            Expr::Match(it) => {
                // What is matched is the value that the query is about.
                if it.target.is_none() && self.name.is_none() {
                    return None;
                }
                let mut is_wanted_then = is_wanted;
                for (_, result) in &mut it.cases {
                    is_wanted_then |= self.inside(result, is_wanted)?;
                }
                for (case, _) in it.cases.iter_mut().rev() {
                    if let Case::True(check) = case {
                        is_wanted_then = self.inside(check, is_wanted_then)?;
                    }
                }
                self.all(&mut it.target, is_wanted_then)
            }
            Expr::If(it) => {
                let mut is_wanted_then = is_wanted;
                let results = it.branches.iter_mut().map(|it| &mut it.1).chain(&mut it.otherwise);
                for result in results {
                    is_wanted_then |= self.look(result, is_wanted)?;
                }
                self.all(it.branches.iter_mut().map(|it| &mut it.0), is_wanted_then)
            }
            Expr::Lambda(lambda) => match self.name {
                Some(_) => self.look(&mut lambda.body, is_wanted),
                None => None,
            },
            Expr::Map(map) => {
                let is_wanted = self.inside(&mut map.1, is_wanted)?;
                self.look(&mut map.0, is_wanted)
            }
            Expr::Apply(apply) => match self.name {
                Some(_) => {
                    let is_wanted = self.look(&mut apply.target, is_wanted)?;
                    self.all(apply.args.dynamic_mut(), is_wanted)
                }
                // A map may look at what `this` was before.
                None => None,
            },
            Expr::Index(index) => self.all([&mut index.0, &mut index.1], is_wanted),
            Expr::Slice(it) => {
                let bounds = [&mut it.start, &mut it.end, &mut it.step].into_iter().flatten();
                self.all(std::iter::once(&mut it.target).chain(bounds).collect::<Vec<_>>(), is_wanted)
            }
            Expr::Array(queries) => self.all(queries, is_wanted),
            Expr::Object(pairs) => {
                let both = pairs.iter_mut().flat_map(|(name, value)| [name, value]);
                self.all(both.collect::<Vec<_>>(), is_wanted)
            }
            Expr::Function(call) => {
                self.not_in(call.args.queries_mut())?;
                self.all(call.args.dynamic_mut(), is_wanted)
            }
            Expr::Method(call) => {
                let is_wanted = match (call.method.body, call.method.name) {
                    (MethodBody::Lazy(_), "catch" | "or") => {
                        let mut is_wanted = is_wanted;
                        for query in call.args.queries_mut() {
                            is_wanted = self.inside(query, is_wanted)?;
                        }
                        self.look(&mut call.target, is_wanted)?
                    }
                    // These may evaluate their target more than once, or later than others.
                    (MethodBody::Lazy(_), _) => {
                        self.not_in(std::iter::once(&mut call.target))?;
                        self.not_in(call.args.queries_mut())?;
                        is_wanted
                    }
                    _ => {
                        self.not_in(call.args.queries_mut())?;
                        self.look(&mut call.target, is_wanted)?
                    }
                };
                self.all(call.args.dynamic_mut(), is_wanted)
            }
        }
    }

    fn field(&self, field: &mut Field, is_wanted: bool) -> Option<bool> {
        let is_of_value = match (&field.root, &self.name) {
            (FieldRoot::This, None) => true,
            (FieldRoot::Named(name), Some(own)) => name == own,
            _ => false,
        };
        if !is_of_value {
            return Some(is_wanted);
        }
        // All of it is looked at.
        let first = field.path.first()?;
        if first != TALLY {
            return Some(is_wanted);
        }
        if self.marks {
            let is_last = !is_wanted && field.path.len() == 1;
            field.lent = if is_last { Lent::Taken } else { Lent::Seen };
        }
        Some(true)
    }

    /// Queries that are evaluated in this order.
    fn all<'a, I>(&self, queries: I, is_wanted: bool) -> Option<bool>
    where
        I: IntoIterator<Item = &'a mut Expr>,
        I::IntoIter: DoubleEndedIterator,
    {
        queries.into_iter().rev().try_fold(is_wanted, |is_wanted, it| self.look(it, is_wanted))
    }

    /// A query about another value: there `this` is none of what is lent, but may lead back to it.
    fn inside(&self, query: &mut Expr, is_wanted: bool) -> Option<bool> {
        match self.name {
            Some(_) => self.look(query, is_wanted),
            None => self.not_in(std::iter::once(query)).map(|()| is_wanted),
        }
    }

    /// Queries that are evaluated again and again, or while something else is lent: nothing there may be what is lent.
    fn not_in<'a>(&self, queries: impl Iterator<Item = &'a mut Expr>) -> Option<()> {
        for query in queries {
            let looked = Lender { name: self.name.clone(), marks: false }.look(query, false)?;
            if looked {
                return None;
            }
        }
        Some(())
    }
}
