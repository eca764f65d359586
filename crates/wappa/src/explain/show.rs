//! What is printed of a field, a component or a kind of them.

use wappa_spec::{ComponentKind, Field, Registry, Spec, Status, Type, docs};

use super::find::{Found, Thing};
use crate::prose;

/// The text so far.
pub(super) struct Page {
    out: String,
    width: usize,
    has_color: bool,
}

impl Page {
    pub(super) fn new(width: usize, has_color: bool) -> Page {
        Page { out: String::new(), width, has_color }
    }

    pub(super) fn into_text(self) -> String {
        self.out
    }

    /// What stands between two things.
    pub(super) fn rule(&mut self) {
        self.out.push('\n');
    }

    pub(super) fn show(&mut self, found: &Found<'_>, registry: &dyn Registry) {
        match &found.thing {
            Thing::Kind(kind) => self.kind(*kind, registry),
            Thing::Component(spec) => self.component(spec, &found.path),
            Thing::Field(field) => self.field(field, found, registry),
            Thing::Inside(field, ty) => self.inside(field, ty, found),
            Thing::OfLanguage(text) => {
                self.title(&found.path, "of mappings");
                self.prose(text);
            }
        }
    }

    fn title(&mut self, name: &str, what: &str) {
        let name = self.bold(name);
        self.out.push_str(&format!("{name}, {what}\n\n"));
    }

    fn bold(&self, text: &str) -> String {
        if self.has_color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
    }

    fn prose(&mut self, markdown: &str) {
        self.out.push_str(&prose::wrapped(&prose::links_as_text(markdown), self.width));
    }

    fn kind(&mut self, kind: ComponentKind, registry: &dyn Registry) {
        self.title(kind.noun(), "a kind of component");
        self.names(kind, registry);
    }

    fn names(&mut self, kind: ComponentKind, registry: &dyn Registry) {
        let names: Vec<&str> = docs::specs(registry, kind).into_iter().map(|it| it.name).collect();
        self.rows(&[(kind.plural(), names.join(", "))]);
    }

    fn component(&mut self, spec: &Spec, path: &str) {
        self.title(path, &spec.kind.one());
        self.prose(spec.summary());
        self.out.push('\n');
        let mut rows = vec![("Status", spec.status.name().to_string())];
        if !spec.categories.is_empty() {
            rows.push(("Categories", spec.categories.join(", ")));
        }
        if spec.reaches_machine {
            rows.push(("Reach", "files or programs of the machine: not in restricted configs".to_string()));
        }
        if !spec.bento {
            rows.push(("Bento", "does not have it".to_string()));
        }
        let fields = spec.fields();
        if fields.is_empty() && !matches!(spec.body, Type::Object(_)) {
            rows.push(("Body", plain(&spec.body)));
        }
        self.rows(&rows);
        if !fields.is_empty() {
            let heading = match spec.body {
                Type::Array(_) => "A list; fields of each item:",
                _ => "Fields:",
            };
            self.fields(heading, fields);
        }
        let name = spec.name;
        let example = match spec.kind {
            ComponentKind::Input => Some(format!("{name}/")),
            ComponentKind::Processor => Some(format!("/{name}")),
            ComponentKind::Output => Some(format!("//{name}")),
            _ => None,
        };
        self.out.push('\n');
        if let Some(expression) = example {
            self.out.push_str(&format!("A config with it:  wappa create --small {expression}\n"));
        }
        self.out.push_str(&format!("All about it:      wappa explain --page {name}\n"));
    }

    /// A line for each field, those that are required first.
    fn fields(&mut self, heading: &str, fields: &[Field]) {
        self.out.push_str(&format!("\n{heading}\n"));
        let shown = || fields.iter().filter(|it| !it.deprecated);
        let longest = shown().map(|it| it.name.len()).max().unwrap_or_default();
        for is_required in [true, false] {
            for field in shown().filter(|it| it.is_required() == is_required) {
                let doc = prose::links_as_text(field.doc);
                let mut about = prose::first_sentence(&doc);
                let note = match (field.is_required(), field.default) {
                    (true, _) => "required".to_string(),
                    (_, Some(text)) if !text.contains('\n') && text != "{}" => format!("default `{text}`"),
                    _ => String::new(),
                };
                if !note.is_empty() {
                    about = format!("{about} ({note})").trim_start().to_string();
                }
                let name = self.bold(field.name);
                let padding = " ".repeat(longest - field.name.len());
                let indent = longest + 4;
                let about = prose::wrapped_within(&about, self.width, indent);
                self.out.push_str(format!("  {name}{padding}  {about}").trim_end());
                self.out.push('\n');
            }
        }
    }

    fn field(&mut self, field: &Field, found: &Found<'_>, registry: &dyn Registry) {
        let what = match found.of.as_slice() {
            [] => "a field".to_string(),
            [spec] => format!("a field of the {} `{}`", spec.kind.noun(), spec.name),
            specs => {
                let kinds: Vec<String> = specs.iter().map(|it| format!("the {}", it.kind.noun())).collect();
                format!("a field of {} `{}`", kinds.join(" and "), specs[0].name)
            }
        };
        self.title(&found.path, &what);
        if !field.doc.is_empty() {
            self.prose(field.doc);
            self.out.push('\n');
        }
        let mut rows = vec![("Type", plain(&field.ty))];
        match field.default {
            Some(text) if text == "{}" && matches!(field.ty, Type::Object(_)) => {}
            Some(text) => rows.push(("Default", text.to_string())),
            None if field.is_required() => rows.push(("Default", "none: it is required".to_string())),
            None => rows.push(("Default", "none: it may be absent".to_string())),
        }
        if !field.options.is_empty() {
            rows.push(("Options", field.options.join(", ")));
        }
        match field.ty {
            Type::Interpolated | Type::Array(Type::Interpolated) | Type::Map(Type::Interpolated) => {
                rows.push(("Queries", "`${! … }` is evaluated for each message".to_string()));
            }
            Type::Mapping => rows.push(("Queries", "it is a mapping; `wappa blobl` tries one".to_string())),
            _ => {}
        }
        let notes = [
            (field.advanced, "Advanced", "most configs do without it"),
            (field.deprecated, "Deprecated", "there is something better"),
            (field.secret, "Secret", "no printout shows it; give it as a variable, `${NAME}`"),
            (!field.bento, "Bento", "does not have it"),
        ];
        rows.extend(notes.into_iter().filter(|it| it.0).map(|(_, name, text)| (name, text.to_string())));
        if let Some(version) = field.since {
            rows.push(("Since", version.to_string()));
        }
        let of_deprecated = found.of.iter().any(|it| it.status == Status::Deprecated);
        if of_deprecated {
            rows.push(("Status", "its component is deprecated".to_string()));
        }
        self.rows(&rows);
        self.examples(field);
        match &field.ty {
            Type::Object(fields) => self.fields("Fields:", fields),
            Type::Array(Type::Object(fields)) => self.fields("Fields of each item:", fields),
            Type::Map(Type::Object(fields)) => self.fields("Fields of each value:", fields),
            Type::Component(kind) | Type::Array(Type::Component(kind)) => {
                self.out.push('\n');
                self.names(*kind, registry);
            }
            _ => {}
        }
    }

    fn examples(&mut self, field: &Field) {
        let examples: Vec<String> = match field.examples {
            // How it is written is shown by its default, if by nothing else.
            [] => {
                let is_object = matches!(field.ty, Type::Object(_));
                let text = field.options.first().copied().or(field.default).filter(|_| !is_object);
                text.into_iter().map(|it| docs::entry(field.name, it, 1)).collect()
            }
            some => some.iter().map(|it| docs::entry(field.name, it, 1)).collect(),
        };
        if !examples.is_empty() {
            self.out.push_str(if examples.len() == 1 { "\nExample:\n" } else { "\nExamples:\n" });
            examples.iter().for_each(|it| self.out.push_str(it));
        }
    }

    fn inside(&mut self, field: &Field, ty: &Type, found: &Found<'_>) {
        self.title(&found.path, &format!("a value in `{}`", field.name));
        self.prose(field.doc);
        self.out.push('\n');
        self.rows(&[("Type", plain(ty))]);
    }

    /// Lines of a name and a text, which is broken where the terminal ends.
    fn rows(&mut self, rows: &[(&str, String)]) {
        let longest = rows.iter().map(|it| it.0.len()).max().unwrap_or_default();
        for (name, text) in rows {
            let padding = " ".repeat(longest - name.len());
            let name = self.bold(name);
            let indent = longest + 4;
            let is_block = text.contains('\n');
            let text = match is_block {
                true => format!("\n{}", indented(text, 4)),
                false => prose::wrapped_within(text, self.width, indent),
            };
            self.out.push_str(format!("  {name}{padding}  {text}").trim_end());
            self.out.push('\n');
        }
    }
}

fn indented(text: &str, n_blanks: usize) -> String {
    let lines: Vec<String> = text.lines().map(|it| format!("{}{it}", " ".repeat(n_blanks))).collect();
    lines.join("\n")
}

/// The name of a type, without marks.
fn plain(ty: &Type) -> String {
    ty.describe().replace('`', "")
}
