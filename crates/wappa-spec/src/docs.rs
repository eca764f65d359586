//! Documentation is a function of the descriptions: reference pages, skeletons, lists, and the examples to test.

use std::fmt::{self, Write as _};

use crate::builtin;
use crate::root::StreamConfig;
use crate::spec::{ComponentKind, Field, Registry, Spec, Status, Type};
use crate::yaml::parse;

/// An example in the doc of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The heading above it; empty where there is none.
    pub title: String,
    /// The config, as it stands in its fence.
    pub yaml: String,
    /// The line of the doc at which the config begins, from 1.
    pub line: usize,
}

/// The configs in the `yaml` fences of a component's doc, to be linted and run by tests.
pub fn examples(spec: &Spec) -> Vec<Example> {
    let mut found = Vec::new();
    let mut title = String::new();
    let mut open: Option<Example> = None;
    let mut is_other_fence = false;
    for (index, line) in spec.doc.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(example), None) => {
                example.yaml.push_str(line);
                example.yaml.push('\n');
            }
            (None, Some(_)) if is_other_fence => is_other_fence = false,
            (None, Some("yaml" | "yml")) => {
                open = Some(Example { title: title.clone(), yaml: String::new(), line: index + 2 });
            }
            (None, Some(_)) => is_other_fence = true,
            (None, None) if line.starts_with('#') && !is_other_fence => {
                title = line.trim_start_matches('#').trim().to_string();
            }
            (None, None) => {}
        }
    }
    found
}

/// The reference page of a component, in Markdown.
pub fn page(spec: &Spec) -> String {
    let mut out = String::new();
    write_page(&mut out, spec).expect("writing to a string does not fail");
    out
}

fn write_page(out: &mut String, spec: &Spec) -> fmt::Result {
    let rest = spec.doc.strip_prefix(spec.summary()).unwrap_or_default().trim();
    writeln!(out, "# {}\n\n{}\n", spec.name, spec.summary())?;
    write!(out, "Kind: {}  \nStatus: {}", spec.kind.noun(), spec.status.name())?;
    if !spec.categories.is_empty() {
        write!(out, "  \nCategories: {}", spec.categories.join(", "))?;
    }
    if !spec.bento {
        write!(out, "  \nOnly in Wappa, Bento does not have it.")?;
    }
    let (common, all) = (skeleton(spec, false), skeleton(spec, true));
    writeln!(out, "\n\n```yml\n# The fields most configs need, with their defaults\n{common}```\n")?;
    if common != all {
        writeln!(out, "```yml\n# All fields, with their defaults\n{all}```\n")?;
    }
    if !rest.is_empty() {
        writeln!(out, "{}\n", lower_headings(rest))?;
    }
    if spec.fields().is_empty() {
        return match spec.body {
            Type::Object(_) => Ok(()),
            body => writeln!(out, "## Body\n\nType: {}", body.describe()),
        };
    }
    writeln!(out, "## Fields\n")?;
    if let Type::Array(_) = spec.body {
        writeln!(out, "The body is a list; each item has these fields.\n")?;
    }
    write_fields(out, spec.fields(), "")
}

/// The fields of a config file outside of components, in Markdown: what stands below the heading of their page.
pub fn root_fields() -> String {
    let mut out = String::new();
    write_fields(&mut out, StreamConfig::FIELDS, "").expect("writing to a string does not fail");
    out
}

/// Headings of the first level in a doc comment become the second level of the page.
fn lower_headings(doc: &str) -> String {
    let mut is_fence = false;
    let lines = doc.lines().map(|line| {
        is_fence ^= line.trim_start().starts_with("```");
        if !is_fence && line.starts_with("# ") { format!("#{line}") } else { line.to_string() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn write_fields(out: &mut String, fields: &[Field], prefix: &str) -> fmt::Result {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        writeln!(out, "### `{name}`\n")?;
        if !field.doc.is_empty() {
            writeln!(out, "{}\n", field.doc)?;
        }
        write!(out, "Type: {}", field.ty.describe())?;
        match field.default {
            Some(text) if !(text == "{}" && matches!(field.ty, Type::Object(_))) => {
                write!(out, "  \nDefault: `{text}`")?;
            }
            None if field.is_required() => write!(out, "  \nRequired")?,
            _ => {}
        }
        if !field.options.is_empty() {
            write!(out, "  \nOptions: `{}`", field.options.join("`, `"))?;
        }
        let notes = [
            (field.advanced, "Advanced"),
            (field.deprecated, "Deprecated"),
            (field.secret, "Secret: no printout shows it"),
            (!field.bento, "Only in Wappa"),
        ];
        for (_, note) in notes.into_iter().filter(|(applies, _)| *applies) {
            write!(out, "  \n{note}")?;
        }
        if let Some(version) = field.since {
            write!(out, "  \nSince version {version}")?;
        }
        out.push_str("\n\n");
        if !field.examples.is_empty() {
            out.push_str("```yml\n");
            field.examples.iter().try_for_each(|it| out.write_str(&entry(field.name, it, 0)))?;
            out.push_str("```\n\n");
        }
        write_inner_fields(out, &field.ty, &name)?;
    }
    Ok(())
}

fn write_inner_fields(out: &mut String, ty: &Type, name: &str) -> fmt::Result {
    match ty {
        Type::Object(fields) => write_fields(out, fields, &format!("{name}.")),
        Type::Array(item) => write_inner_fields(out, item, &format!("{name}[]")),
        Type::Map(value) => write_inner_fields(out, value, &format!("{name}.<name>")),
        _ => Ok(()),
    }
}

/// A config of the component with its defaults, as YAML; without the advanced fields unless they are wanted.
pub fn skeleton(spec: &Spec, advanced: bool) -> String {
    let mut out = String::new();
    if spec.kind.has_label() && spec.name != "resource" {
        out.push_str("label: \"\"\n");
    }
    match spec.body {
        Type::Object(fields) => skeleton_object(&mut out, spec.name, fields, advanced, 0),
        body => {
            let comment = if matches!(body, Type::Component(_)) { " # No default (required)" } else { "" };
            writeln!(out, "{}: {}{comment}", spec.name, zero(&body))
                .expect("writing to a string does not fail");
        }
    }
    out
}

fn skeleton_object(out: &mut String, name: &str, fields: &[Field], advanced: bool, depth: usize) {
    let shown: Vec<&Field> =
        fields.iter().filter(|it| !it.deprecated && (advanced || !it.advanced)).collect();
    let indent = "  ".repeat(depth);
    if shown.is_empty() {
        out.push_str(&format!("{indent}{name}: {{}}\n"));
        return;
    }
    out.push_str(&format!("{indent}{name}:\n"));
    for field in shown {
        match (field.ty, field.default) {
            (Type::Object(inner), Some("{}")) => skeleton_object(out, field.name, inner, advanced, depth + 1),
            (_, Some(text)) => out.push_str(&entry(field.name, text, depth + 1)),
            (ty, None) => {
                let value =
                    field.examples.first().map_or_else(|| zero(&ty).to_string(), |it| (*it).to_string());
                let kind = if field.is_required() { "required" } else { "optional" };
                let line = entry(field.name, &value, depth + 1);
                out.push_str(&format!("{} # No default ({kind})\n", line.trim_end()));
            }
        }
    }
}

/// What a value of a type looks like when nothing is known of it.
pub fn zero(ty: &Type) -> &'static str {
    match ty {
        Type::String | Type::Interpolated | Type::Mapping | Type::Duration => "\"\"",
        Type::Int | Type::Float | Type::Size => "0",
        Type::Bool => "false",
        Type::Array(_) => "[]",
        Type::Map(_) | Type::Object(_) => "{}",
        Type::Any | Type::Component(_) => "null",
    }
}

/// A key with a value that is given as YAML text, as lines at a depth.
pub fn entry(name: &str, text: &str, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let is_block = parse(text).is_ok_and(|it| match &it.node.kind {
        crate::yaml::Kind::Map(pairs) => !pairs.is_empty() && !text.starts_with('{'),
        crate::yaml::Kind::Seq(items) => !items.is_empty() && !text.starts_with('['),
        _ => false,
    });
    if !is_block {
        return format!("{indent}{name}: {text}\n");
    }
    let mut out = format!("{indent}{name}:\n");
    for line in text.lines() {
        out.push_str(&format!("{indent}  {line}\n"));
    }
    out
}

/// The index of the reference pages: each kind with its components and their summaries, in Markdown.
pub fn index(registry: &dyn Registry) -> String {
    let mut out = String::from("# Components\n");
    for kind in ComponentKind::ALL {
        let specs = specs(registry, kind);
        if specs.is_empty() {
            continue;
        }
        out.push_str(&format!(
            "\n## {}\n\n| name | what it does | status |\n| --- | --- | --- |\n",
            title(kind)
        ));
        for spec in specs {
            let summary = spec.summary().replace('\n', " ");
            let (plural, name, status) = (kind.plural(), spec.name, spec.status.name());
            let summary = from_above(&summary, plural);
            out.push_str(&format!("| [`{name}`]({plural}/{name}.md) | {summary} | {status} |\n"));
        }
    }
    out
}

/// A text of a page in this folder, with its links as they are from the folder above.
fn from_above(text: &str, folder: &str) -> String {
    let mut parts = text.split("](");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str("](");
        match part.strip_prefix("../") {
            Some(above) => out.push_str(above),
            None if part.starts_with('#') || part.split(')').next().is_some_and(|it| it.contains("://")) => {
                out.push_str(part);
            }
            None => out.push_str(&format!("{folder}/{part}")),
        }
    }
    out
}

/// The text of the `list` command: the wanted kinds (`inputs`, `rate-limits`), or all, with their components.
pub fn list(registry: &dyn Registry, kinds: &[String], status: Option<Status>) -> String {
    let mut groups = Vec::new();
    for kind in ComponentKind::ALL {
        let specs = specs(registry, kind);
        if !kinds.is_empty() && !kinds.iter().any(|it| it == kind.plural())
            || kinds.is_empty() && specs.is_empty()
        {
            continue;
        }
        let mut names: Vec<&str> = specs
            .iter()
            .filter(|it| it.status != Status::Deprecated && status.is_none_or(|wanted| wanted == it.status))
            .map(|it| it.name)
            .collect();
        names.sort_unstable();
        let items: String = names.iter().map(|it| format!("  - {it}\n")).collect();
        groups.push(format!("{}:\n{items}", title(kind)));
    }
    groups.join("\n")
}

/// All descriptions of a kind, those that need no registry last.
pub fn specs(registry: &dyn Registry, kind: ComponentKind) -> Vec<&Spec> {
    let names = registry.names(kind);
    let own = names.iter().filter_map(|it| registry.spec(kind, it));
    let built_in = builtin::names(kind).filter(|it| !names.contains(it));
    own.chain(built_in.filter_map(|it| builtin::spec(kind, it))).collect()
}

/// `rate-limits` as a title: `Rate Limits`.
fn title(kind: ComponentKind) -> String {
    let words = kind.plural().split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect::<Vec<_>>().join(" ")
}
