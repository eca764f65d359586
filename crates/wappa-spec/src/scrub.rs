//! A config as it may be shown to others: without what is secret.

use crate::component::spec_of;
use crate::spec::{ComponentKind, Field, Registry, Type};
use crate::value::SCRUBBED;
use crate::yaml::{Kind, Node};

/// The same tree as it may be printed: what is secret is replaced by Bento's mark, `type` is removed, and the fields
/// of every object are in the order of its description.
///
/// It is what `echo`, `graph`, dry runs and `/debug/config` show. Unknown fields are left out, bodies keep what the user wrote.
pub fn scrub(root: &Node, fields: &[Field], registry: &dyn Registry) -> Node {
    Scrubber { registry }.object(root, fields)
}

struct Scrubber<'r> {
    registry: &'r dyn Registry,
}

impl Scrubber<'_> {
    fn object(&self, node: &Node, fields: &[Field]) -> Node {
        if node.as_map().is_none() {
            return node.clone();
        }
        let mut pairs = Vec::new();
        for field in fields {
            let Some(found) = node.get(field.name) else { continue };
            let key = Node::plain(found.pos, field.name);
            let value = if field.secret { hide(found) } else { self.typed(found, &field.ty) };
            pairs.push((key, value));
        }
        Node::new(node.pos, Kind::Map(pairs))
    }

    fn typed(&self, node: &Node, ty: &Type) -> Node {
        match (ty, &node.kind) {
            (Type::Object(fields), _) => self.object(node, fields),
            (Type::Component(kind), _) => self.component(node, *kind),
            (Type::Array(item), Kind::Seq(items)) => {
                let items = items.iter().map(|it| self.typed(it, item)).collect();
                Node::new(node.pos, Kind::Seq(items))
            }
            (Type::Map(value), Kind::Map(pairs)) => {
                // What has fields or is a component says itself what of it is secret, whatever its name.
                let is_plain = !matches!(value, Type::Object(_) | Type::Component(_));
                let shown = |key: &Node, it: &Node| match is_plain && hides(key.as_key()) {
                    true => hide(it),
                    false => self.typed(it, value),
                };
                let pairs = pairs.iter().map(|(key, it)| (key.clone(), shown(key, it))).collect();
                Node::new(node.pos, Kind::Map(pairs))
            }
            _ => node_without_credentials(node),
        }
    }

    fn component(&self, node: &Node, kind: ComponentKind) -> Node {
        // What does not say which component it is may hold anything, secrets as well.
        let Some(spec) = spec_of(kind, node, self.registry) else {
            return hide(node);
        };
        let mut pairs = Vec::new();
        let mut push = |key: &str, value: Node| pairs.push((Node::plain(node.pos, key), value));
        if let Some(label) = node.get("label").filter(|it| !it.as_key().is_empty()) {
            push("label", label.clone());
        }
        let body = node.get(spec.name).filter(|it| !it.is_null()).or_else(|| node.get("plugin"));
        push(spec.name, body.map_or_else(|| Node::empty_map(node.pos), |it| self.typed(it, &spec.body)));
        if let Some(processors) = node.get("processors")
            && kind.has_processors()
        {
            push(
                "processors",
                self.typed(processors, &Type::Array(&Type::Component(ComponentKind::Processor))),
            );
        }
        Node::new(node.pos, Kind::Map(pairs))
    }
}

/// What a name of a credential has in it, in small letters and without what parts its words.
const SIGNS: [&str; 11] = [
    "apikey",
    "accesskey",
    "authorization",
    "authtoken",
    "cookie",
    "credential",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
];

/// What a name of a credential ends with, in the same form.
const ENDS: [&str; 5] = ["token", "signature", "session", "pwd", "jwt"];

/// Whether what has this name, of a header, of a parameter of an address or of any other key that a user chose, is not to be
/// printed.
pub fn hides(name: &str) -> bool {
    let name: String =
        name.chars().filter(|it| it.is_alphanumeric()).map(|it| it.to_ascii_lowercase()).collect();
    let is_whole = ["auth", "sig"].contains(&name.as_str());
    is_whole || SIGNS.iter().any(|it| name.contains(it)) || ENDS.iter().any(|it| name.ends_with(it))
}

/// A text without what lets somebody in: `user:password@` before a host, with a scheme or without one, what is behind
/// `password=`, and parameters of addresses such as `?token=`.
pub fn without_credentials(text: &str) -> String {
    without_parameters(&without_passwords(&without_users(text)))
}

/// Without the values of parameters of addresses whose names say that they let somebody in.
fn without_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, parameter) = rest.split_at(at + 1);
        out.push_str(before);
        rest = parameter;
        let is_of_name = |it: char| it.is_alphanumeric() || "_-.%[]".contains(it);
        let end = rest.find(|it| !is_of_name(it)).unwrap_or(rest.len());
        let name = &rest[..end];
        // Alone in an address it is a credential, anywhere else it may be the key of anything.
        if rest[end..].starts_with('=') && (hides(name) || name.eq_ignore_ascii_case("key")) {
            out.push_str(&rest[..=end]);
            out.push_str(SCRUBBED);
            rest = &rest[end + 1..];
            rest = &rest[end_of_value(rest)..];
        }
    }
    out.push_str(rest);
    out
}

/// Where the value of a parameter ends. A query in it belongs to it, with what is between its braces.
fn end_of_value(text: &str) -> usize {
    let mut at = 0;
    loop {
        let is_end = |it: char| it.is_whitespace() || "&#,;\"'`".contains(it);
        let end = text[at..].find(is_end).map_or(text.len(), |it| at + it);
        let query = text[at..end].find("${").map(|it| at + it);
        match query.and_then(|it| Some(it + text[it..].find('}')? + 1)) {
            Some(behind) => at = behind,
            None => return end,
        }
    }
}

/// The same without what lets somebody in.
fn node_without_credentials(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Null => Kind::Null,
        Kind::Scalar { text, style } => Kind::Scalar { text: without_credentials(text), style: *style },
        Kind::Seq(items) => Kind::Seq(items.iter().map(node_without_credentials).collect()),
        Kind::Map(pairs) => {
            let shown = |key: &Node, it: &Node| match hides(key.as_key()) {
                true => hide(it),
                false => node_without_credentials(it),
            };
            Kind::Map(pairs.iter().map(|(key, it)| (key.clone(), shown(key, it))).collect())
        }
    };
    Node::new(node.pos, kind)
}

/// Without what stands before the host in addresses: behind each scheme, and at the beginning of each word of a list.
fn without_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let is_between = |it: char| it.is_whitespace() || matches!(it, ',' | '"' | '\'');
    for word in text.split_inclusive(is_between) {
        let mut rest = word;
        if let Some(at) = end_of_user(word) {
            out.push_str(SCRUBBED);
            rest = &word[at..];
        }
        while let Some(at) = rest.find("://") {
            let (before, authority) = rest.split_at(at + 3);
            out.push_str(before);
            let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
            rest = match authority[..end].rfind('@') {
                Some(host) => {
                    out.push_str(SCRUBBED);
                    &authority[host..]
                }
                None => authority,
            };
        }
        out.push_str(rest);
    }
    out
}

/// Where the host begins, with its `@`, in an address without a scheme that has a user and a password.
fn end_of_user(word: &str) -> Option<usize> {
    let (user, rest) = word.split_once(':')?;
    let is_of_user = |it: char| it.is_alphanumeric() || "_.~%+-".contains(it);
    let at = rest.rfind('@')?;
    let has_both = !user.is_empty() && user.chars().all(is_of_user) && 0 < at && !rest.starts_with("//");
    has_both.then_some(user.len() + 1 + at)
}

/// Without what follows `password=` and `passwd=`, whatever the case of their letters, in parameters of addresses and data
/// sources.
fn without_passwords(text: &str) -> String {
    const NAMES: [&str; 2] = ["password=", "passwd="];
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let next = |at: usize| NAMES.iter().filter_map(|it| Some(at + lower[at..].find(it)? + it.len())).min();
    while let Some(value) = next(at) {
        out.push_str(&text[at..value]);
        let quoted = text[value..].strip_prefix('\'').and_then(|it| it.find('\''));
        let len = quoted.map_or_else(
            || text[value..].find(|it: char| it.is_whitespace() || matches!(it, '&' | ';' | ',')),
            |it| Some(it + 2),
        );
        out.push_str(SCRUBBED);
        at = len.map_or(text.len(), |it| value + it);
    }
    out.push_str(&text[at..]);
    out
}

/// The same shape with every scalar replaced by Bento's mark.
fn hide(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Null => Kind::Null,
        Kind::Scalar { style, .. } => Kind::Scalar { text: SCRUBBED.to_string(), style: *style },
        Kind::Seq(items) => Kind::Seq(items.iter().map(hide).collect()),
        Kind::Map(pairs) => Kind::Map(pairs.iter().map(|(key, it)| (key.clone(), hide(it))).collect()),
    };
    Node::new(node.pos, kind)
}

#[cfg(test)]
mod tests {
    use super::{hides, without_parameters, without_passwords, without_users};

    #[test]
    fn users_and_passwords_of_addresses() {
        let shown = |text| without_users(text).replace(super::SCRUBBED, "*");
        for (text, expected) in [
            ("nats://ann:pw@h:1", "nats://*@h:1"),
            ("nats://token@h:1,nats://h:2", "nats://*@h:1,nats://h:2"),
            ("ann:p@ss@h1:4222,bob:x@h2", "*@h1:4222,*@h2"),
            ("ann:pw@tcp(h:3306)/db?a=b@c", "*@c"),
            ("ann:pw@tcp(h:3306)/db", "*@tcp(h:3306)/db"),
            ("http://a.org/x?y=@z", "http://a.org/x?y=@z"),
            (
                r#"root = {"key":@kafka_key,to:@b,"at":"1:2"}"#,
                r#"root = {"key":@kafka_key,to:@b,"at":"1:2"}"#,
            ),
            ("@key :x@ a@b h:1 ::@", "@key :x@ a@b h:1 ::@"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn passwords_among_parameters() {
        let shown = |text| without_passwords(text).replace(super::SCRUBBED, "*");
        for (text, expected) in [
            ("host=h password=abc user=u", "host=h password=* user=u"),
            ("host=h Password='a b' user=u", "host=h Password=* user=u"),
            ("host=h password='a b", "host=h password=* b"),
            ("server=h;PASSWD=x;password=", "server=h;PASSWD=*;password=*"),
            ("h?a=b&password=x&c=d", "h?a=b&password=*&c=d"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
    #[test]
    fn parameters_of_addresses() {
        let shown = |text| without_parameters(text).replace(super::SCRUBBED, "*");
        for (text, expected) in [
            ("http://h/x?token=abc&a=b", "http://h/x?token=*&a=b"),
            ("http://h/x?a=b&api_key=c#d http://h?sig=e", "http://h/x?a=b&api_key=*#d http://h?sig=*"),
            ("/x?Access-Token=${! @t.or(\"}\") }&key=${X}y&b", "/x?Access-Token=*\") }&key=*&b"),
            ("h?key=1&keys=2&tokens=3&max_token_length=4", "h?key=*&keys=2&tokens=3&max_token_length=4"),
            ("this.a?token = b && token=c ?", "this.a?token = b && token=c ?"),
            ("?é=ü&token=", "?é=ü&token=*"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn names_of_credentials() {
        let hidden = [
            "Authorization",
            "X-Api-Key",
            "cookie",
            "authToken",
            "db.password",
            "client_secret",
            "auth",
            "JWT",
        ];
        assert!(hidden.iter().all(|it| hides(it)));
        let shown = ["key", "author", "tokens", "Content-Type", "X-Tenant", "session_timeout", "signal", ""];
        assert!(shown.iter().all(|it| !hides(it)));
    }
}
