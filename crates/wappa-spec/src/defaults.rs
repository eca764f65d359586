//! A config with everything that has a default, for whoever shows one.

use crate::{
    spec::{Field, Type},
    yaml::Kind,
    yaml::{Node, Pos, parse},
};

/// The same config with the fields that are absent and have a default. Components stay as they are written, and a field that
/// Bento does not have is there only where it was before, so that Bento can read what it could read.
pub fn with_defaults(root: &Node, fields: &[Field]) -> Node {
    if root.as_map().is_none() && !root.is_null() {
        return root.clone();
    }
    let mut pairs: Vec<(Node, Node)> = Vec::new();
    for field in fields {
        let value = match root.get(field.name).filter(|it| !it.is_null()) {
            Some(value) => value.clone(),
            None if !field.bento || field.deprecated => continue,
            None => match field.default.map(parse) {
                Some(Ok(parsed)) => parsed.node,
                Some(Err(_)) | None => continue,
            },
        };
        pairs.push((Node::plain(Pos::new(1, 1), field.name), typed(value, &field.ty)));
    }
    Node::new(root.pos, Kind::Map(pairs))
}

fn typed(value: Node, ty: &Type) -> Node {
    match (ty, &value.kind) {
        (Type::Object(fields), _) => with_defaults(&value, fields),
        (Type::Array(item), Kind::Seq(items)) => {
            let items = items.iter().map(|it| typed(it.clone(), item)).collect();
            Node::new(value.pos, Kind::Seq(items))
        }
        _ => value,
    }
}
