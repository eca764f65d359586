//! The pages of functions and methods, written from where they are declared. Their examples are run by tests of the
//! language.

use wappa_bloblang::{Category, Constant, Example, Param, Params, Status};

const FUNCTIONS: &str = "# Functions of Bloblang

A function gives a value, wherever a query may stand: `root.id = uuid_v4()`.
Parameters are given in their order, or by their names: `random_int(min: 1, max: 6)`.
[The guide](../../bloblang.md) says how mappings are written, and the page of [methods](methods.md) what can be done with a value.
`wappa list bloblang-functions` prints the names.
";

const METHODS: &str = "# Methods of Bloblang

A method makes a value of another one: `this.name.trim().uppercase()`.
Parameters are given in their order, or by their names: `this.csv.parse_csv(delimiter: \";\")`.
[The guide](../../bloblang.md) says how mappings are written, and the page of [functions](functions.md) where values come from.
`wappa list bloblang-methods` prints the names.
";

/// What is written of a function or a method.
struct Entry {
    name: &'static str,
    category: Category,
    status: Status,
    description: &'static str,
    params: Params,
    examples: &'static [Example],
    is_impure: bool,
}

pub(super) fn functions() -> String {
    page(FUNCTIONS, all_functions())
}

pub(super) fn methods() -> String {
    page(METHODS, all_methods())
}

/// The function and the method of a name, each with what it is, in Markdown.
pub(super) fn of_name(name: &str) -> Vec<(&'static str, String)> {
    let all = [("function", all_functions()), ("method", all_methods())];
    let named = all.into_iter().filter_map(|(what, entries)| {
        let entry = entries.into_iter().find(|it| it.name == name && it.status != Status::Hidden)?;
        let mut out = String::new();
        write_body(&mut out, &entry);
        Some((what, out))
    });
    named.collect()
}

fn all_functions() -> Vec<Entry> {
    let entries = wappa_bloblang::functions().into_iter().map(|it| Entry {
        name: it.name,
        category: it.category,
        status: it.status,
        description: it.description,
        params: it.params,
        examples: it.examples,
        is_impure: it.is_impure,
    });
    entries.collect()
}

fn all_methods() -> Vec<Entry> {
    let entries = wappa_bloblang::methods().into_iter().map(|it| Entry {
        name: it.name,
        category: it.category,
        status: it.status,
        description: it.description,
        params: it.params,
        examples: it.examples,
        is_impure: false,
    });
    entries.collect()
}

fn page(introduction: &str, mut entries: Vec<Entry>) -> String {
    entries.retain(|it| it.status != Status::Hidden);
    // Those of a category stay in the order of their names.
    entries.sort_by_key(|it| it.category);
    let mut out = introduction.to_string();
    for of_category in entries.chunk_by(|one, other| one.category == other.category) {
        out.push_str(&format!("\n## {}\n", of_category[0].category.title()));
        of_category.iter().for_each(|it| write(&mut out, it));
    }
    out
}

fn write(out: &mut String, entry: &Entry) {
    out.push_str(&format!("\n### `{}`\n\n", entry.name));
    write_body(out, entry);
}

/// What stands below the heading.
fn write_body(out: &mut String, entry: &Entry) {
    out.push_str(&format!("{}\n", entry.description));
    if entry.status == Status::Deprecated {
        out.push_str("Deprecated: there is something better.\n");
    }
    if entry.is_impure {
        out.push_str("Not in [restricted](../../bloblang.md#mappings-that-are-not-trusted) mappings.\n");
    }
    match entry.params {
        Params::Named([]) => (),
        Params::Variadic => out.push_str("\nTakes any number of values.\n"),
        Params::Named(params) => {
            out.push_str("\n| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n");
            params.iter().for_each(|it| out.push_str(&row(it)));
        }
    }
    for example in entry.examples {
        out.push_str(&format!("\n```blobl\n{}\n", example.mapping));
        for (document, result) in example.results {
            let commented = |text: &str| text.replace('\n', "\n#      ");
            out.push_str(&format!("\n# In:  {}\n# Out: {}\n", commented(document), commented(result)));
        }
        out.push_str("```\n");
    }
}

fn row(param: &Param) -> String {
    let default = match param.default {
        Some(Constant::Bool(it)) => format!("`{it}`"),
        Some(Constant::Int(it)) => format!("`{it}`"),
        Some(Constant::Text(it)) => format!("`\"{}\"`", it.replace('|', "\\|").escape_debug()),
        None if param.is_optional => "optional".to_string(),
        None => "required".to_string(),
    };
    let description = param.description.replace('|', "\\|");
    format!("| `{}` | {} | {default} | {description} |\n", param.name, param.kind)
}
