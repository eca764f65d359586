//! `#[derive(Config)]`: the description of a config, and how it is read, from a struct with doc comments.
//!
//! What it writes is plain: constants that can be printed, and one loop over the fields in file order. The meaning of
//! every type is in `wappa-spec`; this crate knows shapes only.

mod attributes;
mod expand;

use proc_macro::TokenStream;
use syn::{ItemStruct, parse_macro_input};

/// Describes and reads a config.
///
/// A struct with named fields is an object, a struct with one unnamed field is a body of that field's type (a list of
/// processors, a string), a struct without fields is an empty object. Doc comments become the reference page.
///
/// On a field, `#[config(…)]` takes
/// - `default = "yaml"`: what it is when absent; a field without one is required, unless its type is an `Option`, a
///   list, a map or a config,
/// - `example = "yaml"`, as often as there are examples,
/// - `options("a", "b")`: the only values it may have,
/// - `advanced`, `deprecated`, `secret`, `since = "1.2"`,
/// - `bento = false`: Bento does not have it,
/// - `child = "processor"`: the kind of a `ComponentNode`, an `Option` or a list of them,
/// - `label_of = "cache"`: it holds the label of a resource of this kind, or a list of them,
/// - `resource`: every child in the list must have a label,
/// - `name = "key"`: the key, where it is not the field's name,
/// - `flatten`: it has no key; the fields of its config, an object, stand in its place, and its lints come before those of this
///   struct; with `defaults(name = "yaml")` some of them have other defaults here.
///
/// On the struct, `#[config(lint = function)]` names a `fn(&Self, &Node, &mut Reader)` that is called in lint runs,
/// after everything could be read; `lint_broken = function` a `fn(&Node, &mut Reader)` that is called in its place where
/// something could not, and something else may stand in for it.
#[proc_macro_derive(Config, attributes(config))]
pub fn config(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as ItemStruct);
    expand::config(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
