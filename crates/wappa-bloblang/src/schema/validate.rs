//! Comparing a value with a schema.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap, fmt::Write};

use regex::bytes::Regex;
use wappa_message::{Array, Object, Value};

use super::{Decimal, Dependency, Node, Others, Schema, Type, canonical, format};
use crate::{
    error::{Error, Result},
    evaluate::{Budget, Failure, steps_since, thread_nanos},
};

/// How many schemas may be applied one within another: one that leads back to itself would go on forever.
const DEPTH_MAX: usize = 200;

/// How many problems are told of one value.
const PROBLEMS_MAX: usize = 1000;

/// What of a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where, with points between the steps.
    pub(crate) field: String,
    /// What, in the words of Bento's library.
    pub(crate) what: String,
}

impl Problem {
    /// What does not fit, as the method and the processor tell it: in lower case but for the name of a property that
    /// stands at the beginning.
    pub(crate) fn told(&self) -> String {
        match self.what.strip_suffix(" is required") {
            Some(name) => format!("{name} is required"),
            None => self.what.to_lowercase(),
        }
    }
}

/// Problems, and how much of the schema fit.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    score: i64,
}

impl Findings {
    fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, place: Place<'_>, what: impl Into<String>) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { field: place.to_string(), what: what.into() });
        }
        self.score -= 2;
    }

    fn merge(&mut self, other: Findings) {
        let n_left = PROBLEMS_MAX - self.problems.len();
        self.problems.extend(other.problems.into_iter().take(n_left));
        self.score += other.score;
    }
}

/// The step to a value, and the steps before it.
#[derive(Clone, Copy)]
struct Place<'a> {
    step: Step<'a>,
    before: Option<&'a Place<'a>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Name(&'a [u8]),
    Index(usize),
}

/// Searching something longer is charged by its time; what that costs is more than searching something short.
const LONG_BYTES: usize = 1024;

/// The longest name that is told, in bytes: each problem tells those of all steps to it.
const NAME_BYTES_MAX: usize = 256;

fn told(name: &[u8]) -> Cow<'_, str> {
    match name.get(..NAME_BYTES_MAX) {
        None => String::from_utf8_lossy(name),
        Some(begin) => Cow::Owned(format!("{}…", String::from_utf8_lossy(begin))),
    }
}

impl Place<'_> {
    fn then<'a>(&'a self, step: Step<'a>) -> Place<'a> {
        Place { step, before: Some(self) }
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut steps = Vec::new();
        let mut place = Some(self);
        while let Some(it) = place {
            steps.push(it.step);
            place = it.before;
        }
        if let [Step::Root] = steps.as_slice() {
            return f.write_str("(root)");
        }
        let mut is_first = true;
        for step in steps.iter().rev() {
            if let Step::Root = step {
                continue;
            }
            if !is_first {
                f.write_char('.')?;
            }
            is_first = false;
            match step {
                Step::Root => (),
                Step::Name(name) => f.write_str(&told(name))?,
                Step::Index(idx) => write!(f, "{idx}")?,
            }
        }
        Ok(())
    }
}

impl Schema {
    /// What of a value does not fit the schema: the place and what is wrong there, each a line. As many steps are taken as a
    /// mapping may.
    pub fn problems(&self, value: &Value) -> std::result::Result<Vec<String>, Failure> {
        let told = |it: &Problem| format!("{} {}", it.field, it.told());
        self.problems_as(value, told)
    }

    /// The same, each as Bento's library prints it.
    pub fn printed_problems(&self, value: &Value) -> std::result::Result<Vec<String>, Failure> {
        self.problems_as(value, |it| format!("{}: {}", it.field, it.what))
    }

    fn problems_as(
        &self,
        value: &Value,
        told: impl Fn(&Problem) -> String,
    ) -> std::result::Result<Vec<String>, Failure> {
        let mut budget = Budget::default();
        let problems = self.validate(value, &mut |n| budget.steps(n));
        let problems = problems.map_err(|err| Failure::new(err.to_string()))?;
        Ok(problems.iter().map(told).collect())
    }

    /// What of a value does not fit the schema. `charge` is told how many steps are about to be taken and may refuse.
    pub(crate) fn validate(
        &self,
        value: &Value,
        charge: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Vec<Problem>> {
        let mut validator = Validator { schema: self, charge, depth: 0 };
        let root = Place { step: Step::Root, before: None };
        Ok(validator.validated(self.root, value, root)?.problems)
    }
}

struct Validator<'a> {
    schema: &'a Schema,
    charge: &'a mut dyn FnMut(u64) -> Result<()>,
    depth: usize,
}

impl<'a> Validator<'a> {
    fn validated(&mut self, node: usize, value: &Value, place: Place<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        self.validate(node, value, place, &mut findings)?;
        Ok(findings)
    }

    fn validate(&mut self, node: usize, value: &Value, place: Place<'_>, found: &mut Findings) -> Result<()> {
        (self.charge)(1)?;
        if self.depth == DEPTH_MAX {
            return Err(Error::new(format!("more than {DEPTH_MAX} schemas are applied one within another")));
        }
        self.depth += 1;
        let result = self.inner(node, value, place, found);
        self.depth -= 1;
        result
    }

    fn inner(&mut self, node: usize, value: &Value, place: Place<'_>, found: &mut Findings) -> Result<()> {
        let node = &self.schema.nodes[node];
        if let Some(passes) = node.passes {
            if !passes {
                found.add(place, "False always fails validation");
            }
            return Ok(());
        }
        if let Some(reference) = node.reference {
            return self.validate(reference, value, place, found);
        }
        let number = Decimal::of(value);
        let actual = match value {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Boolean,
            Value::Array(_) => Type::Array,
            Value::Object(_) => Type::Object,
            Value::Text(_) | Value::Bytes(_) | Value::Time(_) => Type::String,
            _ if number.is_some_and(Decimal::is_whole) => Type::Integer,
            _ => Type::Number,
        };
        let fits = |it: &Type| *it == actual || *it == Type::Number && actual == Type::Integer;
        if !node.types.is_empty() && !node.types.iter().any(fits) {
            let expected = match node.types.as_slice() {
                [it] => it.name().to_string(),
                types => format!("[{}]", types.iter().map(|it| it.name()).collect::<Vec<_>>().join(",")),
            };
            found.add(place, format!("Invalid type. Expected: {expected}, given: {}", actual.name()));
            return Ok(());
        }
        self.combined(node, value, place, found)?;
        match value {
            Value::Array(array) => self.array(node, array, place, found)?,
            Value::Object(object) => self.object(node, object, place, found)?,
            _ => (),
        }
        if let Some(number) = number {
            of_number(node, number, place, found);
        }
        self.fixed(node, value, place, found)?;
        match value {
            Value::Object(object) => {
                for (name, schema) in &node.properties {
                    if let Some(value) = object.get(name) {
                        self.validate(*schema, &value, place.then(Step::Name(name)), found)?;
                    }
                }
            }
            Value::Text(_) | Value::Bytes(_) | Value::Time(_) => {
                (self.charge)(value.own().allocated as u64 / 16)?;
                // How long a pattern searches depends on both, and a text can be a pattern itself.
                let is_long = LONG_BYTES < value.own().allocated;
                let is_searched = is_long && (node.pattern.is_some() || node.format.is_some());
                let is_pattern = node.format.as_deref() == Some("regex");
                let before = (is_searched || is_pattern).then(thread_nanos);
                of_text(node, value, place, found);
                if let Some(before) = before {
                    (self.charge)(steps_since(before))?;
                }
            }
            _ => (),
        }
        found.score += 1;
        Ok(())
    }

    fn combined(&mut self, node: &Node, value: &Value, place: Place<'_>, found: &mut Findings) -> Result<()> {
        let is_better =
            |it: &Findings, best: &Option<Findings>| best.as_ref().is_none_or(|best| best.score < it.score);
        if !node.any_of.is_empty() {
            let mut best = None;
            let mut fits = false;
            for schema in &node.any_of {
                let findings = self.validated(*schema, value, place)?;
                fits = findings.is_valid();
                if fits {
                    break;
                }
                if is_better(&findings, &best) {
                    best = Some(findings);
                }
            }
            if !fits {
                found.add(place, "Must validate at least one schema (anyOf)");
                if let Some(best) = best {
                    found.merge(best);
                }
            }
        }
        if !node.one_of.is_empty() {
            let mut best = None;
            let mut n_fit = 0;
            for schema in &node.one_of {
                let findings = self.validated(*schema, value, place)?;
                if findings.is_valid() {
                    n_fit += 1;
                } else if n_fit == 0 && is_better(&findings, &best) {
                    best = Some(findings);
                }
            }
            if n_fit != 1 {
                found.add(place, "Must validate one and only one schema (oneOf)");
                if let (0, Some(best)) = (n_fit, best) {
                    found.merge(best);
                }
            }
        }
        let mut do_all_fit = true;
        for schema in &node.all_of {
            let findings = self.validated(*schema, value, place)?;
            do_all_fit &= findings.is_valid();
            found.merge(findings);
        }
        if !do_all_fit {
            found.add(place, "Must validate all the schemas (allOf)");
        }
        if let Some(not) = node.not
            && self.validated(not, value, place)?.is_valid()
        {
            found.add(place, "Must not validate the schema (not)");
        }
        if let Value::Object(object) = value {
            for (_, dependency) in node.dependencies.iter().filter(|(name, _)| object.contains_key(name)) {
                match dependency {
                    Dependency::Properties(names) => {
                        for name in names.iter().filter(|it| !object.contains_key(it)) {
                            found
                                .add(place, format!("Has a dependency on {}", String::from_utf8_lossy(name)));
                        }
                    }
                    Dependency::Schema(schema) => self.validate(*schema, value, place, found)?,
                }
            }
        }
        if let Some(condition) = node.condition {
            let (schema, why) = match self.validated(condition, value, place)?.is_valid() {
                true => (node.then, "Must validate \"then\" as \"if\" was valid"),
                false => (node.otherwise, "Must validate \"else\" as \"if\" was not valid"),
            };
            if let Some(schema) = schema {
                let findings = self.validated(schema, value, place)?;
                if !findings.is_valid() {
                    found.add(place, why);
                    found.merge(findings);
                }
            }
        }
        found.score += 1;
        Ok(())
    }

    fn fixed(&mut self, node: &Node, value: &Value, place: Place<'_>, found: &mut Findings) -> Result<()> {
        if node.constant.is_some() || !node.values.is_empty() {
            let text = self.json(value)?;
            if let Some(constant) = node.constant.as_ref().filter(|it| **it != text) {
                found.add(place, format!("{place} does not match: {constant}"));
            }
            if !node.values.is_empty() && !node.values.contains(&text) {
                found.add(place, format!("{place} must be one of the following: {}", node.values.join(", ")));
            }
        }
        found.score += 1;
        Ok(())
    }

    /// Whether a name matches. That of a long one is charged by the time that it took.
    fn is_match(&mut self, pattern: &Regex, name: &[u8]) -> Result<bool> {
        if name.len() <= LONG_BYTES {
            return Ok(pattern.is_match(name));
        }
        let before = thread_nanos();
        let is_match = pattern.is_match(name);
        (self.charge)(steps_since(before))?;
        Ok(is_match)
    }

    /// The value as JSON, in which equal numbers are written equally.
    fn json(&mut self, value: &Value) -> Result<String> {
        (self.charge)(value.json_len() as u64 / 16)?;
        Ok(canonical(value))
    }

    fn array(&mut self, node: &Node, array: &Array, place: Place<'_>, found: &mut Findings) -> Result<()> {
        let each = |validator: &mut Self, schema: usize, idx: usize, found: &mut Findings| -> Result<()> {
            let value = array.get(idx).unwrap_or(Value::Null);
            let findings = validator.validated(schema, &value, place.then(Step::Index(idx)))?;
            found.merge(findings);
            Ok(())
        };
        if let Some(schema) = node.items {
            for idx in 0..array.len() {
                each(self, schema, idx, found)?;
            }
        }
        if !node.first_items.is_empty() {
            let n_first = node.first_items.len().min(array.len());
            for (idx, schema) in node.first_items.iter().enumerate().take(n_first) {
                each(self, *schema, idx, found)?;
            }
            if n_first < array.len() {
                match node.additional_items {
                    Others::Allowed => (),
                    Others::Refused => found.add(place, "No additional items allowed on array"),
                    Others::Schema(schema) => {
                        for idx in n_first..array.len() {
                            each(self, schema, idx, found)?;
                        }
                    }
                }
            }
        }
        let n = array.len() as u64;
        if let Some(min) = node.n_items.min.filter(|it| n < *it) {
            found.add(place, format!("Array must have at least {min} items"));
        }
        if let Some(max) = node.n_items.max.filter(|it| *it < n) {
            found.add(place, format!("Array must have at most {max} items"));
        }
        if node.is_unique {
            let mut seen = HashMap::new();
            for (idx, it) in array.iter().enumerate() {
                let json = self.json(&it)?;
                (self.charge)(json.len() as u64 / 8 + 4)?;
                if let Some(first) = seen.insert(json, idx) {
                    found.add(place, format!("array items[{first},{idx}] must be unique"));
                }
            }
        }
        if let Some(contains) = node.contains {
            let mut best: Option<Findings> = None;
            let mut fits = false;
            for (idx, it) in array.iter().enumerate() {
                let findings = self.validated(contains, &it, place.then(Step::Index(idx)))?;
                fits = findings.is_valid();
                if fits {
                    break;
                }
                if best.as_ref().is_none_or(|best| best.score < findings.score) {
                    best = Some(findings);
                }
            }
            if !fits {
                found.add(place, "At least one of the items must match");
                if let Some(best) = best {
                    found.merge(best);
                }
            }
        }
        found.score += 1;
        Ok(())
    }

    fn object(&mut self, node: &Node, object: &Object, place: Place<'_>, found: &mut Findings) -> Result<()> {
        let n = object.len() as u64;
        if let Some(min) = node.n_properties.min.filter(|it| n < *it) {
            found.add(place, format!("Must have at least {min} properties"));
        }
        if let Some(max) = node.n_properties.max.filter(|it| *it < n) {
            found.add(place, format!("Must have at most {max} properties"));
        }
        for name in &node.required {
            match object.contains_key(name) {
                true => found.score += 1,
                false => found.add(place, format!("{} is required", String::from_utf8_lossy(name))),
            }
        }
        let says_of_all =
            !node.pattern_properties.is_empty() || !matches!(node.additional_properties, Others::Allowed);
        if says_of_all {
            for (name, value) in object.iter() {
                (self.charge)((1 + name.len() as u64 / 64) * (1 + node.pattern_properties.len() as u64))?;
                let mut is_known = node.properties.binary_search_by(|(it, _)| it.cmp(&name)).is_ok();
                let mut is_matched = false;
                for (pattern, schema) in &node.pattern_properties {
                    if !self.is_match(pattern, &name)? {
                        continue;
                    }
                    is_matched = true;
                    let findings = self.validated(*schema, &value, place.then(Step::Name(&name)))?;
                    found.merge(findings);
                }
                if is_matched {
                    found.score += 1;
                    is_known = true;
                }
                match node.additional_properties {
                    Others::Refused if !is_known => {
                        let name = told(&name);
                        found.add(place, format!("Additional property {name} is not allowed"));
                    }
                    Others::Schema(schema) if !is_known => {
                        let findings = self.validated(schema, &value, place.then(Step::Name(&name)))?;
                        found.merge(findings);
                    }
                    _ => (),
                }
            }
        }
        if let Some(schema) = node.property_names {
            for name in object.keys() {
                let findings = self.validated(schema, &Value::Text(name.clone()), place)?;
                if !findings.is_valid() {
                    let name = told(&name);
                    found.add(place, format!("Property name of \"{name}\" does not match"));
                    found.merge(findings);
                }
            }
        }
        found.score += 1;
        Ok(())
    }
}

fn of_number(node: &Node, number: Decimal, place: Place<'_>, found: &mut Findings) {
    if let Some(it) = node.multiple_of.filter(|it| !number.is_multiple_of(*it)) {
        found.add(place, format!("Must be a multiple of {it}"));
    }
    if let Some(it) = node.maximum.filter(|it| number.compare(*it) == Ordering::Greater) {
        found.add(place, format!("Must be less than or equal to {it}"));
    }
    if let Some(it) = node.exclusive_maximum.filter(|it| number.compare(*it) != Ordering::Less) {
        found.add(place, format!("Must be less than {it}"));
    }
    if let Some(it) = node.minimum.filter(|it| number.compare(*it) == Ordering::Less) {
        found.add(place, format!("Must be greater than or equal to {it}"));
    }
    if let Some(it) = node.exclusive_minimum.filter(|it| number.compare(*it) != Ordering::Greater) {
        found.add(place, format!("Must be greater than {it}"));
    }
    // Numbers have no format, and so none that is known.
    if let Some(format) = node.format.as_ref().filter(|it| format::is_known(it)) {
        found.add(place, format!("Does not match format '{format}'"));
    }
    found.score += 1;
}

fn of_text(node: &Node, value: &Value, place: Place<'_>, found: &mut Findings) {
    let text = value.to_text();
    let text = String::from_utf8_lossy(&text);
    let n = match (node.n_chars.min, node.n_chars.max) {
        (None, None) => 0,
        _ => text.chars().count() as u64,
    };
    if let Some(min) = node.n_chars.min.filter(|it| n < *it) {
        found.add(place, format!("String length must be greater than or equal to {min}"));
    }
    if let Some(max) = node.n_chars.max.filter(|it| *it < n) {
        found.add(place, format!("String length must be less than or equal to {max}"));
    }
    if let Some((pattern, _)) = node.pattern.as_ref().filter(|(_, it)| !it.is_match(text.as_bytes())) {
        found.add(place, format!("Does not match pattern '{pattern}'"));
    }
    if let Some(format) = node.format.as_ref().filter(|it| !format::fits(it, &text)) {
        found.add(place, format!("Does not match format '{format}'"));
    }
    found.score += 1;
}
