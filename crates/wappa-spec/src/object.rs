//! How objects are read: field by field, in file order, those of configs that are part of them as well.

use crate::{
    reader::{Fields, Reader},
    spec::{Config, Field},
    yaml::Node,
};

/// A config that is an object: what `#[derive(Config)]` writes for structs with named fields.
pub trait Object: Config {
    /// What has been read of it.
    type Slots: Default;

    /// Reads the value of the field of this index.
    fn take(slots: &mut Self::Slots, index: usize, value: &Node, reader: &mut Reader<'_>);

    /// The object, where absent fields are what they are by default. Its own are those from `base` on.
    fn complete(
        slots: Self::Slots,
        base: usize,
        fields: &Fields<'_>,
        reader: &mut Reader<'_>,
    ) -> Option<Self>;

    /// Lints what was read as a whole.
    fn lint(&self, node: &Node, reader: &mut Reader<'_>);

    /// Lints what could not be read as a whole.
    fn lint_broken(node: &Node, reader: &mut Reader<'_>);
}

impl Field {
    /// How many fields these lists have together.
    pub const fn n_of(lists: &[&[Field]]) -> usize {
        let mut n = 0;
        let mut at = 0;
        while at < lists.len() {
            n += lists[at].len();
            at += 1;
        }
        n
    }

    /// The fields of these lists, which are `N`, one behind the other.
    pub const fn joined<const N: usize>(lists: &[&[Field]]) -> [Field; N] {
        let mut joined = [Field::new("", crate::Type::Bool); N];
        let mut n = 0;
        let mut at = 0;
        while at < lists.len() {
            let mut in_list = 0;
            while in_list < lists[at].len() {
                joined[n] = lists[at][in_list];
                n += 1;
                in_list += 1;
            }
            at += 1;
        }
        joined
    }

    /// These fields, which are `N`, of which the one of this name, which has to be among them, has another default.
    pub const fn with_default<const N: usize>(
        fields: &[Field],
        name: &str,
        default: &'static str,
    ) -> [Field; N] {
        let mut fields: [Field; N] = Field::joined(&[fields]);
        let mut at = 0;
        while !is_same(fields[at].name, name) {
            at += 1;
        }
        fields[at].default = Some(default);
        fields
    }
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Reads an object, and lints it in lint runs.
pub fn read_object<C: Object>(node: &Node, reader: &mut Reader<'_>) -> Option<C> {
    let read = |reader: &mut Reader<'_>| {
        let empty = Node::empty_map(node.pos);
        let mut fields = reader.fields(node, &empty, C::FIELDS)?;
        let mut slots = C::Slots::default();
        while let Some((index, value)) = fields.next(reader) {
            C::take(&mut slots, index, value, reader);
        }
        C::complete(slots, 0, &fields, reader)
    };
    read_linted(
        reader,
        read,
        |config, reader| config.lint(node, reader),
        |reader| C::lint_broken(node, reader),
    )
}

/// Reads, and in lint runs lints: all of it, or what is left where something could not be read or something else stands in
/// for it.
pub fn read_linted<C>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Option<C>,
    lint: impl FnOnce(&C, &mut Reader<'_>),
    lint_broken: impl FnOnce(&mut Reader<'_>),
) -> Option<C> {
    let n_stand_ins = reader.n_stand_ins();
    let config = read(reader);
    if reader.is_linting() {
        match &config {
            Some(config) if reader.n_stand_ins() == n_stand_ins => lint(config, reader),
            _ => lint_broken(reader),
        }
    }
    config
}
