//! All methods.

mod coercion;
mod general;
mod numbers;
mod objects;
mod strings;

use crate::registry::Method;

/// The methods of each file.
pub(crate) const TABLE: &[&[Method]] =
    &[general::METHODS, coercion::METHODS, strings::METHODS, numbers::METHODS, objects::METHODS];

/// The method that calls a map.
pub(crate) const APPLY: &Method = &general::APPLY;

/// What Bento has, and Wappa does not have yet.
pub(crate) const MISSING: &[&str] = &[];
