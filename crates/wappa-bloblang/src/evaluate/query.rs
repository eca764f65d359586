//! Evaluating queries.

use wappa_message::{Object, Text, Value};

use super::{Context, Document, Machine, Meter, arithmetic, budget::BYTES_PER_STEP, charge, slice};
use crate::{
    error::{Error, MAP_DEPTH_MAX, Result},
    program::{
        Apply, Binary, Case, Expr, Field, FieldRoot, FunctionCall, If, Lent, Match, MethodCall, Operator,
    },
    registry::{
        Method, NamesTarget, Reach,
        bound::{BoundFunction, BoundMethod, FunctionBody, MethodBody},
    },
    value::{Evaluated, compare, convert, go, types::Type},
    watch::{set_interrupted, take_interrupted, watch, watched},
};

/// So many queries one within another are evaluated on the stack of the thread.
const DEPTH_ON_STACK: usize = 128;

/// So many more are evaluated on each further stack,
const DEPTH_PER_STACK: usize = 512;

/// which is this large: only what is touched of it costs memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// How many queries may be evaluated one within another.
const DEPTH_MAX: usize = 50_000;

impl Machine<'_> {
    /// Evaluates a query.
    #[inline]
    pub(crate) fn evaluate(&mut self, query: &Expr, ctx: Context<'_>) -> Result<Evaluated> {
        self.budget.step()?;
        match query {
            Expr::Literal(literal) => Ok(literal.value.clone()),
            Expr::Field(field) => self.field(field, ctx),
            Expr::Variable(variable) => match self.variables.get(variable.slot) {
                Some(Some(value)) => Ok(value.clone()),
                _ if self.program.is_none() => Err(Error::new("variables were undefined")),
                _ => Err(undefined(&variable.name)),
            },
            _ => {
                self.depth += 1;
                let is_full = self.depth == DEPTH_ON_STACK || self.depth.is_multiple_of(DEPTH_PER_STACK);
                let result = match is_full {
                    false => self.inner(query, ctx),
                    true => self.on_another_stack(query, ctx),
                };
                self.depth -= 1;
                result
            }
        }
    }

    #[cold]
    fn on_another_stack(&mut self, query: &Expr, ctx: Context<'_>) -> Result<Evaluated> {
        if DEPTH_MAX < self.depth {
            return Err(Error::new(format!("more than {DEPTH_MAX} queries one within another")));
        }
        let current = watched();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("mapping".to_string()).stack_size(STACK_BYTES);
            let watched = || {
                watch(current);
                (self.inner(query, ctx), take_interrupted())
            };
            match thread.spawn_scoped(scope, watched).map(|it| it.join()) {
                Ok(Ok((result, was_interrupted))) => {
                    if was_interrupted {
                        set_interrupted();
                    }
                    result
                }
                Ok(Err(panic)) => std::panic::resume_unwind(panic),
                Err(err) => Err(Error::new(format!("there is no thread for a query this deep: {err}"))),
            }
        })
    }

    fn inner(&mut self, query: &Expr, ctx: Context<'_>) -> Result<Evaluated> {
        match query {
            Expr::Literal(_) | Expr::Field(_) | Expr::Variable(_) => unreachable!("they hold no other query"),
            Expr::Get(get) => {
                let value = self.evaluate(&get.0, ctx)?.into_value();
                Ok(get.1.get(&value, &mut self.budget)?.into())
            }
            Expr::Metadata(_) if self.is_inner => {
                Err(Error::new("metadata cannot be queried in this context"))
            }
            Expr::Metadata(Some(key)) => Ok(self.metadata().get(key).cloned().unwrap_or_default().into()),
            Expr::Metadata(None) => {
                let metadata = self.metadata().clone();
                self.budget.containers(1, metadata.len())?;
                all_metadata(&metadata).map(Evaluated::Value)
            }
            Expr::Not(query) => match self.evaluate(query, ctx)? {
                Evaluated::Value(Value::Bool(it)) => Ok(Value::Bool(!it).into()),
                other => Err(Error::of_evaluated(&other, &[Type::Bool]).of_query(|| query.annotation())),
            },
            Expr::Binary(binary) => self.binary(binary, ctx),
            Expr::Match(it) => self.matched(it, ctx),
            Expr::If(it) => self.conditional(it, ctx),
            Expr::Lambda(lambda) => {
                let document;
                let value = match ctx.this() {
                    Some(value) => value,
                    None => {
                        document = self.document().cloned().ok_or_else(|| {
                            Error::no_context(String::new())
                                .within(format!("failed to capture context {}", lambda.name))
                        })?;
                        &document
                    }
                };
                let ctx = ctx.popped();
                match &*lambda.name {
                    "_" => self.evaluate(&lambda.body, ctx),
                    _ => {
                        let named = ctx.name(&lambda.name, value);
                        self.evaluate(&lambda.body, ctx.with_named(&named))
                    }
                }
            }
            Expr::Map(map) => {
                let value = self.evaluate(&map.0, ctx)?;
                self.evaluate(&map.1, ctx.with(&value))
            }
            Expr::Apply(apply) => self.apply(apply, ctx),
            Expr::Index(index) => {
                let target = self.evaluate(&index.0, ctx)?;
                let place = self.evaluate(&index.1, ctx)?;
                let place = int(&place).map_err(|err| err.within("index"))?;
                let word = word(&target);
                let element = slice::element(&target.into_value(), place).map(Evaluated::Value);
                element.map_err(|err| of_word(err, word))
            }
            Expr::Slice(it) => {
                let target = self.evaluate(&it.target, ctx)?;
                let mut bound = |query: &Option<Expr>, what: &str| match query {
                    None => Ok(None),
                    Some(query) => {
                        let value = self.evaluate(query, ctx)?;
                        int(&value).map(Some).map_err(|err| err.within(what))
                    }
                };
                let start = bound(&it.start, "slice start bound")?;
                let end = bound(&it.end, "slice end bound")?;
                let step = bound(&it.step, "slice step")?;
                if step == Some(0) {
                    return Err(Error::new("slice step cannot be zero"));
                }
                let word = word(&target);
                let value = target.into_value();
                self.budget.walk(value.own().total())?;
                // A text is cut by its characters, of which a list is made.
                self.budget.bytes(match &value {
                    Value::Text(text) => text.len().saturating_mul(5),
                    other => other.own().allocated,
                })?;
                let part = slice::slice(&value, start, end, step).map(Evaluated::Value);
                part.map_err(|err| of_word(err, word))
            }
            Expr::Array(queries) => {
                self.budget.containers(1, queries.len())?;
                let mut values = Vec::with_capacity(queries.len());
                for query in queries {
                    if let Evaluated::Value(value) = self.evaluate(query, ctx)? {
                        values.push(value);
                    }
                }
                Ok(Value::array(values)?.into())
            }
            Expr::Object(pairs) => self.object(pairs, ctx),
            Expr::Function(call) => self.function(call, ctx),
            Expr::Method(call) => self.method(call, ctx),
        }
    }

    fn field(&mut self, field: &Field, ctx: Context<'_>) -> Result<Evaluated> {
        match field.lent {
            Lent::No => (),
            Lent::Taken => return Ok(self.lent.take().unwrap_or_default().into()),
            Lent::Seen => {
                let lent = self.lent.as_ref().unwrap_or(&Value::Null);
                return Ok(field.path.get_behind_first(lent, &mut self.budget)?.into());
            }
            Lent::Document => {
                if !self.is_in_place
                    && let Some(document) = self.take_document()
                {
                    return Ok(document);
                }
            }
        }
        let value = match &field.root {
            FieldRoot::Root if self.program.is_none() => {
                return Err(Error::new("unable to reference `root` from this context"));
            }
            FieldRoot::Root => &self.root,
            FieldRoot::Named(name) => {
                ctx.named(name).ok_or_else(|| Error::new(format!("named context {name} was not found")))?
            }
            FieldRoot::This => match ctx.this() {
                Some(this) => this,
                None if self.is_in_place => &self.root,
                None => {
                    self.read_document();
                    match &self.document {
                        Document::Read(document) => document,
                        _ => return Err(Error::no_context(field.path.to_dots())),
                    }
                }
            },
        };
        if field.path.is_empty() {
            return Ok(value.clone());
        }
        match value {
            Evaluated::Value(value) => Ok(field.path.get(value, &mut self.budget)?.into()),
            _ => Ok(Value::Null.into()),
        }
    }

    fn binary(&mut self, binary: &Binary, ctx: Context<'_>) -> Result<Evaluated> {
        match binary.operator {
            Operator::Coalesce => match self.evaluate(&binary.left, ctx) {
                Ok(value) if !value.is_null() => Ok(value),
                _ => self.evaluate(&binary.right, ctx),
            },
            Operator::And | Operator::Or => {
                let left = self.truth(&binary.left, ctx)?;
                if left == (binary.operator == Operator::Or) {
                    return Ok(Value::Bool(left).into());
                }
                self.truth(&binary.right, ctx).map(|it| Value::Bool(it).into())
            }
            operator => {
                let (made_left, made_right);
                let left = match self.at_hand(&binary.left, ctx)? {
                    Some(it) => it,
                    None => {
                        made_left = self.evaluate(&binary.left, ctx)?;
                        &made_left
                    }
                };
                let right = match self.at_hand(&binary.right, ctx)? {
                    Some(it) => it,
                    None => {
                        made_right = self.evaluate(&binary.right, ctx)?;
                        &made_right
                    }
                };
                if let (Evaluated::Value(left), Evaluated::Value(right)) = (left, right) {
                    match operator {
                        Operator::Equal | Operator::NotEqual
                            if let (Value::Text(left), Value::Text(right)) = (left, right) =>
                        {
                            // What is asked most.
                            self.budget.walk(left.len().min(right.len()))?;
                            let is_equal = left == right;
                            return Ok(Value::Bool((operator == Operator::Equal) == is_equal).into());
                        }
                        Operator::Add => {
                            let n = left.own().allocated + right.own().allocated;
                            self.budget.bytes(n)?;
                        }
                        _ => self.budget.walk(left.size().min(right.size()))?,
                    }
                }
                let (left, right) = ((&binary.left, left), (&binary.right, right));
                arithmetic::operate(operator, left, right).map(Evaluated::Value)
            }
        }
    }

    /// What a query results in that is there already, so that nothing is copied: a literal, or what the query is about.
    #[inline]
    fn at_hand<'q>(&mut self, query: &'q Expr, ctx: Context<'q>) -> Result<Option<&'q Evaluated>> {
        let value = known(query, ctx);
        if value.is_some() {
            self.budget.step()?;
        }
        Ok(value)
    }

    /// Whether two texts are equal that are there already, which is what conditions ask most; nothing of any other query.
    #[inline]
    fn known_truth<'q>(&mut self, query: &'q Expr, ctx: Context<'q>) -> Result<Option<bool>> {
        let Expr::Binary(binary) = query else { return Ok(None) };
        let expected = match binary.operator {
            Operator::Equal => true,
            Operator::NotEqual => false,
            _ => return Ok(None),
        };
        let (Some(Evaluated::Value(Value::Text(left))), Some(Evaluated::Value(Value::Text(right)))) =
            (known(&binary.left, ctx), known(&binary.right, ctx))
        else {
            return Ok(None);
        };
        // One step for the comparison and one for each side.
        self.budget.steps(3 + left.len().min(right.len()) as u64 / BYTES_PER_STEP)?;
        Ok(Some((left == right) == expected))
    }

    fn truth(&mut self, query: &Expr, ctx: Context<'_>) -> Result<bool> {
        match self.evaluate(query, ctx)? {
            Evaluated::Value(value) => convert::truth(&value),
            other => Err(Error::of_evaluated(&other, &[Type::Bool])),
        }
    }

    fn matched(&mut self, it: &Match, ctx: Context<'_>) -> Result<Evaluated> {
        let at_hand = match (&it.target, ctx.this()) {
            (Some(target), _) => self.at_hand(target, ctx)?,
            (None, this) => this,
        };
        let made;
        let value = match (at_hand, &it.target) {
            (Some(value), _) => value,
            (None, Some(target)) => {
                made = self.evaluate(target, ctx)?;
                &made
            }
            (None, None) => {
                made = self.document().cloned().unwrap_or(Evaluated::Value(Value::Null));
                &made
            }
        };
        let ctx = ctx.with(value);
        for (idx, (case, result)) in it.cases.iter().enumerate() {
            let is_matched = match case {
                Case::Any => true,
                Case::Equal(expected) => match (value, expected) {
                    (Evaluated::Value(value), Evaluated::Value(expected)) => {
                        self.budget.walk(value.size().min(expected.size()))?;
                        compare::is_equal(value, expected)
                    }
                    _ => false,
                },
                Case::True(query) => match self.known_truth(query, ctx)? {
                    Some(truth) => truth,
                    None => {
                        let result = self
                            .evaluate(query, ctx)
                            .map_err(|err| err.within(format!("failed to check match case {idx}")))?;
                        matches!(result, Evaluated::Value(Value::Bool(true)))
                    }
                },
            };
            if is_matched {
                return self.evaluate(result, ctx);
            }
        }
        Ok(Evaluated::Nothing)
    }

    fn conditional(&mut self, it: &If, ctx: Context<'_>) -> Result<Evaluated> {
        for (idx, (condition, result)) in it.branches.iter().enumerate() {
            let value = self.evaluate(condition, ctx).map_err(|err| {
                err.within(match idx {
                    0 => "failed to check if condition".to_string(),
                    idx => format!("failed to check if condition {idx}"),
                })
            })?;
            match value {
                Evaluated::Value(Value::Bool(true)) => return self.evaluate(result, ctx),
                // `null` is as good as false.
                Evaluated::Value(Value::Bool(false) | Value::Null) => (),
                other => return Err(not_a_truth(condition, &other)),
            }
        }
        match &it.otherwise {
            Some(otherwise) => self.evaluate(otherwise, ctx),
            None => Ok(Evaluated::Nothing),
        }
    }

    fn object(&mut self, pairs: &[(Expr, Expr)], ctx: Context<'_>) -> Result<Evaluated> {
        self.budget.containers(1, pairs.len())?;
        let mut list: Vec<(Text, Value)> = Vec::with_capacity(pairs.len());
        for (name, query) in pairs {
            let is_of_document = name.is_of_document();
            let name = match name.as_literal() {
                Some(Evaluated::Value(Value::Text(name))) => name.clone(),
                _ => match self.evaluate(name, ctx).map_err(|err| err.within("failed to resolve key"))? {
                    Evaluated::Value(Value::Text(name)) => name,
                    Evaluated::Value(Value::Bytes(name)) => Text::from(name.to_bytes()),
                    other => {
                        let kind = go::type_name_of(&other, is_of_document);
                        return Err(Error::new(format!("mapping returned invalid key type: {kind}")));
                    }
                },
            };
            let value = self.evaluate(query, ctx).map_err(|err| {
                err.within(format!("failed to resolve '{}' value", String::from_utf8_lossy(&name)))
            })?;
            if let Evaluated::Value(value) = value {
                list.push((name, value));
            }
        }
        Ok(Value::object(list)?.into())
    }

    fn apply(&mut self, apply: &Apply, ctx: Context<'_>) -> Result<Evaluated> {
        let evaluations;
        let given = match apply.args.is_dynamic() {
            false => apply.args.as_fixed(),
            true => {
                let params = crate::methods::APPLY.params;
                evaluations = apply.args.evaluate(params, self, ctx, || "method 'apply'".to_string())?;
                evaluations.given()
            }
        };
        let value = self.evaluate(&apply.target, ctx)?;
        self.call_map(&given.text(0), &value, ctx)
    }

    /// Calls a map on a value. It has variables of its own, and makes something of its own.
    pub(crate) fn call_map(&mut self, name: &str, value: &Evaluated, ctx: Context<'_>) -> Result<Evaluated> {
        let program = self.program.ok_or_else(|| Error::new("no maps were found"))?;
        let map = program
            .maps
            .iter()
            .find(|it| it.name == name)
            .ok_or_else(|| Error::new(format!("map {name} was not found")))?;
        if MAP_DEPTH_MAX <= self.map_depth {
            return Err(Error::stacks(&format!("map {name}")));
        }
        self.budget.steps(map.n_variables as u64)?;
        self.map_depth += 1;
        let root = std::mem::replace(&mut self.root, Evaluated::Nothing);
        let variables = std::mem::replace(&mut self.variables, vec![None; map.n_variables]);
        let in_place = InPlace::leave(self, &root);
        let ctx = ctx.with(value);
        let mut result = Ok(());
        for statement in &map.statements {
            result = self.statement(statement, ctx, false).map_err(|err| err.in_map(statement.line));
            if result.is_err() {
                break;
            }
        }
        let made = std::mem::replace(&mut self.root, root);
        self.variables = variables;
        in_place.enter(self);
        self.map_depth -= 1;
        result.map(|()| made)
    }

    fn function(&mut self, call: &FunctionCall, ctx: Context<'_>) -> Result<Evaluated> {
        if let BoundFunction::Prepared(prepared) = &call.bound {
            return prepared(self, ctx);
        }
        let evaluations;
        let given = match call.args.is_dynamic() {
            false => call.args.as_fixed(),
            true => {
                let what = || format!("function '{}'", call.function.name);
                evaluations = call.args.evaluate(call.function.params, self, ctx, what)?;
                evaluations.given()
            }
        };
        match (call.function.body, &call.bound) {
            (FunctionBody::Machine(body), _) => body(self, ctx, given),
            (FunctionBody::Stateful(_, body), BoundFunction::Stateful(state)) => {
                body(self, ctx, given, state)
            }
            (FunctionBody::Prepared(prepare), BoundFunction::AtCall(Some(environment))) => {
                prepare(given, environment)?(self, ctx)
            }
            (FunctionBody::Deleted, _) => Ok(Evaluated::Deleted),
            _ => Ok(Evaluated::Nothing),
        }
    }

    /// What a method makes of arguments that are not known before.
    fn prepared<T>(&mut self, method: &Method, prepare: impl FnOnce() -> Result<T>) -> Result<T> {
        if !method.compiles {
            return prepare();
        }
        let mut meter = Meter::started();
        let prepared = prepare();
        meter.look(&mut self.budget)?;
        prepared
    }

    fn method(&mut self, call: &MethodCall, ctx: Context<'_>) -> Result<Evaluated> {
        // Arguments come first, as in Bento.
        let evaluations;
        let given = match call.args.is_dynamic() {
            false => call.args.as_fixed(),
            true => {
                let what = || format!("method '{}'", call.method.name);
                evaluations = call.args.evaluate(call.method.params, self, ctx, what)?;
                evaluations.given()
            }
        };
        if let MethodBody::Lazy(body) = call.method.body {
            return body(self, ctx, &call.target, given);
        }
        let at_call;
        let prepared = match (&call.bound, call.method.body) {
            (BoundMethod::Prepared(prepared), _) => Some(prepared),
            (BoundMethod::AtCall, MethodBody::Prepared(prepare)) => {
                at_call = self.prepared(call.method, || prepare(given))?;
                Some(&at_call)
            }
            _ => None,
        };
        let target = self.evaluate(&call.target, ctx)?;
        let word = word(&target);
        let target = target.into_value();
        // What was prepared of arguments has gone through them.
        let args = if prepared.is_some() { None } else { Some(given) };
        charge::before(&mut self.budget, call.method.reach, &target, args)?;
        let before = match (call.method.reach, call.method.body) {
            // These charge what they make as they make it.
            (Reach::Places, _) | (_, MethodBody::Query(_)) => None,
            _ => Some(charge::Before::of(&target, &self.budget)),
        };
        let result = match (prepared, call.method.body) {
            (Some(prepared), _) => prepared(self, target),
            (None, MethodBody::Value(body)) => body(target, given),
            (None, MethodBody::Counted(body)) => body(self, target, given),
            (None, MethodBody::Query(body)) => body(self, ctx, target, given),
            (None, MethodBody::Prepared(_) | MethodBody::World(_) | MethodBody::Lazy(_)) => {
                unreachable!("these were handled")
            }
        };
        if let (Some(before), Ok(value)) = (before, &result) {
            before.behind(&mut self.budget, value)?;
        }
        result.map(Evaluated::Value).map_err(|err| {
            let err = of_word(err, word);
            match call.method.names_target {
                NamesTarget::Always => err.of_query(|| call.target.annotation()),
                NamesTarget::OfType if err.is_of_type() => err.of_query(|| call.target.annotation()),
                NamesTarget::OfType | NamesTarget::Never => err,
            }
        })
    }
}

/// Which of the two words this is, which stand for values of no type.
fn word(evaluated: &Evaluated) -> Option<Type> {
    match evaluated {
        Evaluated::Value(_) => None,
        other => Some(Type::of_evaluated(other)),
    }
}

/// An error of what was made of that.
fn of_word(err: Error, word: Option<Type>) -> Error {
    match word {
        Some(word) => err.of_word(word),
        None => err,
    }
}

/// The place in a list that a query results in.
fn int(evaluated: &Evaluated) -> Result<i64> {
    match evaluated {
        Evaluated::Value(value) => convert::int(value),
        other => Err(Error::of_evaluated(other, &[Type::Number])),
    }
}

/// What a query results in, where that is there without being evaluated.
#[inline]
fn known<'q>(query: &'q Expr, ctx: Context<'q>) -> Option<&'q Evaluated> {
    match query {
        Expr::Literal(literal) => Some(&literal.value),
        Expr::Field(field) if field.path.is_empty() && field.lent == Lent::No => match &field.root {
            FieldRoot::This => ctx.this(),
            FieldRoot::Named(name) => ctx.named(name),
            FieldRoot::Root => None,
        },
        _ => None,
    }
}

/// While a map is called, what is made is not the document, even where the mapping works in place.
struct InPlace(Option<super::Document>);

impl InPlace {
    fn leave(machine: &mut Machine<'_>, root: &Evaluated) -> InPlace {
        if !machine.is_in_place {
            return InPlace(None);
        }
        machine.is_in_place = false;
        let document = super::Document::Read(root.clone());
        InPlace(Some(std::mem::replace(&mut machine.document, document)))
    }

    fn enter(self, machine: &mut Machine<'_>) {
        if let Some(document) = self.0 {
            machine.is_in_place = true;
            machine.document = document;
        }
    }
}

/// All metadata as one object. What is as deep as a value may be has no room in it and stands there as its text.
pub(crate) fn all_metadata(metadata: &wappa_message::Metadata) -> Result<Value> {
    let mut object = Object::default();
    for (key, value) in metadata.iter() {
        if object.insert(key.clone(), value.clone()).is_err() {
            object.insert(key.clone(), Value::Text(value.to_text().into()))?;
        }
    }
    Ok(Value::Object(object))
}

#[cold]
fn undefined(name: &str) -> Error {
    Error::new(format!("variable '{name}' undefined"))
}

/// What a condition resulted in that is neither true nor false.
#[cold]
pub(super) fn not_a_truth(condition: &Expr, value: &Evaluated) -> Error {
    let shown = match value {
        Evaluated::Value(value) => go::shown(value),
        _ => "<nil>".to_string(),
    };
    let kind = go::type_name_of(value, condition.is_of_document());
    Error::new(format!("{} resolved to a non-boolean value {shown} ({kind})", condition.annotation()))
}
