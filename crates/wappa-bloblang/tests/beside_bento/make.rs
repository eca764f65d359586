//! Makes mappings and documents: half of them examples of functions and methods with other things in them. Most queries are of a type that fits where they stand, so that most of them succeed, and
//! some are not, since what fails has to fail alike.

use crate::random::Random;
use wappa_bloblang::{Category, Example, Method, Param, Params, Status, Type, functions, methods};

/// What gives something else each time, asks the machine, or is compared by examples.
const LEFT_OUT: &[&str] = &[
    "apply",
    "bloblang",
    "compress",
    "count",
    "counter",
    "decompress",
    "decrypt_aes",
    "diff",
    "encrypt_aes",
    "env",
    "error_source_path",
    "fake",
    "file",
    "file_rel",
    "file_rel_json",
    "flow_id",
    "format_xml",
    "from",
    "from_all",
    "hostname",
    "json_schema",
    "ksuid",
    "nanoid",
    "now",
    "parse_xml",
    "patch",
    "random_int",
    "shuffle",
    "slug",
    "snowflake_id",
    "timestamp_unix",
    "timestamp_unix_micro",
    "timestamp_unix_milli",
    "timestamp_unix_nano",
    "tracing_id",
    "tracing_span",
    "ulid",
    "uuid_v4",
    "uuid_v7",
    "var",
];

fn is_left_out(name: &str, category: Category) -> bool {
    LEFT_OUT.contains(&name)
        || matches!(category, Category::Jwt | Category::Geoip | Category::Fake)
        || name.starts_with("cache_")
        || name.starts_with("compare_")
        || name.contains("msgpack")
}

const TEXTS: &[&str] = &[
    r#""foo""#,
    r#""""#,
    r#""a,b;c""#,
    r#""12.5""#,
    r#""-7""#,
    r#""2024-02-29T12:30:00Z""#,
    r#""{\"a\":[1,2]}""#,
    r#""x y""#,
    r#""Grüße""#,
    r#""true""#,
    r#""http://u@h.org:80/p?q=1#f""#,
    r#""1h30m""#,
    "this.s",
    "this.o.t",
    "this.l.0",
    "content().string()",
    "(0).ts_tz(\"UTC\")",
    "metadata(\"none\").or(\"m\")",
];
const NUMBERS: &[&str] =
    &["0", "1", "-3", "2.5", "1000000", "9007199254740993", "this.n", "this.f", "this.o.n", "-0.0"];
const LISTS: &[&str] = &[
    "[]",
    "[3, 1, 2]",
    r#"["b", "a", "a"]"#,
    "[1, \"a\", null, true]",
    "this.l",
    "this.o.l",
    "[[1, 2], [3]]",
    "range(0, 4)",
];
const OBJECTS: &[&str] = &["{}", r#"{"a": 1, "b": "x"}"#, "this.o", "this", r#"{"a": {"b": [1, 2]}}"#];
const OTHERS: &[&str] =
    &["null", "this.none", "this.s.t", "deleted()", "nothing()", "content()", "@", "root"];
/// What stands in documents.
const VALUES: &[&str] =
    &["null", "true", "0", "-1.5", "\"\"", "\"ÄÖ x\"", "\"5\"", "[]", "[1,\"a\"]", "{}", "{\"a\":1}"];
const COMPARISONS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

const FORMATS: &[&str] = &[r#""2006-01-02""#, r#""15:04:05""#, r#""Mon Jan _2""#];
const STRFTIMES: &[&str] = &[r#""%Y-%m-%d""#, r#""%H:%M""#, r#""%A %j""#];
const PATTERNS: &[&str] = &[r#""[a-z]+""#, r#""(?P<n>[0-9])(.)""#, r#""^a|b$""#, r#""\\s""#, r#""(""#];
const PATHS: &[&str] = &[r#""a""#, r#""o.t""#, r#""l.0""#, r#""o.l.1""#, r#""none.x""#, r#""l.*.a""#];

/// A query that gives a value of this type, or fails.
fn query(random: &mut Random, wanted: Type, depth: usize) -> String {
    // Now and then it is one of another type.
    let wanted = if random.is(12) {
        let all = [&Type::String, &Type::Number, &Type::Bool, &Type::Array, &Type::Object];
        *random.pick(&all)
    } else {
        wanted
    };
    if random.is(25) {
        return random.pick(OTHERS).to_string();
    }
    if depth == 0 {
        return leaf(random, wanted);
    }
    match random.below(10) {
        0 => leaf(random, wanted),
        1 => {
            let condition = query(random, Type::Bool, depth - 1);
            let (one, other) = (query(random, wanted, depth - 1), query(random, wanted, depth - 1));
            match random.is(2) {
                true => format!("(if {condition} {{ {one} }} else {{ {other} }})"),
                false => format!("(match {{ {condition} => {one}, _ => {other} }})"),
            }
        }
        2 => {
            let (one, other) = (query(random, wanted, depth - 1), query(random, wanted, depth - 1));
            match random.below(3) {
                0 => format!("({one} | {other})"),
                1 => format!("({one}).catch({other})"),
                _ => format!("({one}).or({other})"),
            }
        }
        3 => operation(random, wanted, depth),
        _ => call(random, wanted, depth),
    }
}

fn leaf(random: &mut Random, wanted: Type) -> String {
    match wanted {
        Type::String | Type::Bytes => random.pick(TEXTS).to_string(),
        Type::Number | Type::Integer | Type::Float => random.pick(NUMBERS).to_string(),
        Type::Bool => match random.below(4) {
            0 => "true".to_string(),
            1 => "this.b".to_string(),
            _ => format!("{} {} {}", random.pick(NUMBERS), random.pick(COMPARISONS), random.pick(NUMBERS)),
        },
        Type::Timestamp => r#""2024-02-29T12:30:00Z""#.to_string(),
        Type::Array => random.pick(LISTS).to_string(),
        Type::Object => random.pick(OBJECTS).to_string(),
        _ => {
            let all: [&[&str]; 5] = [TEXTS, NUMBERS, LISTS, OBJECTS, OTHERS];
            let all = all[random.below(5)];
            random.pick(all).to_string()
        }
    }
}

fn operation(random: &mut Random, wanted: Type, depth: usize) -> String {
    let both = |random: &mut Random, kind: Type, operators: &[&str]| {
        let (one, operator) = (query(random, kind, depth - 1), random.pick(operators).to_string());
        format!("({one} {operator} {})", query(random, kind, depth - 1))
    };
    match wanted {
        Type::String => both(random, Type::String, &["+"]),
        Type::Number | Type::Integer | Type::Float => {
            both(random, Type::Number, &["+", "-", "*", "/", "%", "+ 1 *", "- -"])
        }
        Type::Bool => match random.below(3) {
            0 => both(random, Type::Bool, &["&&", "||", "== !"]),
            1 => both(random, Type::String, COMPARISONS),
            _ => both(random, Type::Number, COMPARISONS),
        },
        Type::Array => {
            let element = query(random, Type::Unknown, depth - 1);
            match random.below(3) {
                0 => format!("[{element}, {}]", query(random, Type::Unknown, depth - 1)),
                1 => format!("({})[{}:]", query(random, Type::Array, depth - 1), random.below(3)),
                _ => format!("({}).map_each(it -> {element})", query(random, Type::Array, depth - 1)),
            }
        }
        _ => format!(
            r#"{{"a": {}, "k": {}}}"#,
            query(random, Type::Unknown, depth - 1),
            query(random, Type::Unknown, depth - 1)
        ),
    }
}

/// What a method of this category goes through, and what most of them give.
fn types_of(method: &Method) -> (Type, Type) {
    let name = method.name;
    match method.category {
        Category::Strings | Category::Regexp | Category::Parsing => (Type::String, Type::String),
        Category::Numbers => (Type::Number, Type::Number),
        Category::Timestamps => (Type::Timestamp, Type::String),
        Category::Encoding => (Type::String, Type::String),
        Category::Objects if name.contains("key") || name.contains("with") => (Type::Object, Type::Object),
        Category::Objects if name == "merge" || name == "assign" || name == "collapse" => {
            (Type::Object, Type::Object)
        }
        Category::Objects => (Type::Array, Type::Array),
        _ => (Type::Unknown, Type::Unknown),
    }
}

fn call(random: &mut Random, wanted: Type, depth: usize) -> String {
    if random.is(8) {
        let all = functions();
        let named = all.iter().filter(|it| !is_left_out(it.name, it.category) && it.status != Status::Hidden);
        let names: Vec<_> = named.collect();
        let function = names[random.below(names.len())];
        let args = arguments(random, function.name, function.params, depth);
        return format!("{}({args})", function.name);
    }
    let all: Vec<&Method> = methods().into_iter().filter(|it| !is_left_out(it.name, it.category)).collect();
    // One that gives what is wanted, mostly.
    let mut method = all[random.below(all.len())];
    for _ in 0..4 {
        let given = types_of(method).1;
        if given == wanted || given == Type::Unknown {
            break;
        }
        method = all[random.below(all.len())];
    }
    let target = query(random, types_of(method).0, depth - 1);
    let args = arguments(random, method.name, method.params, depth);
    format!("({target}).{}({args})", method.name)
}

fn arguments(random: &mut Random, name: &str, params: Params, depth: usize) -> String {
    let params: &[Param] = match params {
        Params::Variadic => {
            let n = random.below(3);
            let all: Vec<String> = (0..n)
                .map(|_| match name {
                    "format" | "merge" => query(random, Type::Unknown, depth - 1),
                    _ => random.pick(PATHS).to_string(),
                })
                .collect();
            return all.join(", ");
        }
        Params::Named(params) => params,
    };
    let mut all = Vec::new();
    for param in params {
        if param.is_optional && random.is(2) {
            break;
        }
        all.push(argument(random, name, param, depth));
    }
    all.join(", ")
}

fn argument(random: &mut Random, name: &str, param: &Param, depth: usize) -> String {
    let text = |random: &mut Random, all: &[&str]| random.pick(all).to_string();
    match (param.name, param.kind) {
        ("format", _) if name.contains("strptime") || name.contains("strftime") => text(random, STRFTIMES),
        ("format", _) => text(random, FORMATS),
        ("pattern", _) => text(random, PATTERNS),
        ("path", Type::String) => text(random, PATHS),
        ("algorithm", _) => text(random, &[r#""sha256""#, r#""md5""#, r#""xxhash64""#, r#""crc32""#]),
        ("scheme", _) => text(random, &[r#""base64""#, r#""hex""#, r#""base64rawurl""#, r#""none""#]),
        ("tz", _) => text(random, &[r#""UTC""#, r#""Europe/Berlin""#, r#""None/None""#]),
        ("duration" | "iso8601", _) => text(random, &[r#""1h""#, r#""P1D""#, r#""x""#]),
        // What is repeated is not too long, and what is far away not too far.
        (_, Type::Integer) => text(random, &["0", "1", "2", "-1", "7"]),
        (_, Type::Float | Type::Number) => text(random, &["0", "1.5", "-2"]),
        (_, Type::Query) => {
            let body = match name {
                "fold" => "it.tally",
                "sort" => "it.left < it.right",
                _ => random.pick(&[
                    "it",
                    "it.string()",
                    "it == 1",
                    "it.a",
                    "it.type()",
                    "!it",
                    "this",
                    "it.length() > 1",
                ]),
            };
            match random.is(4) {
                true => query(random, Type::Bool, depth.saturating_sub(1)),
                false => format!("it -> {body}"),
            }
        }
        (_, kind) => query(random, kind, depth.saturating_sub(1)),
    }
}

/// A mapping, and documents for it.
pub(crate) fn mapping_with(random: &mut Random, n_documents: usize) -> (String, Vec<String>) {
    if random.is(2) {
        return (mapping(random), (0..n_documents).map(|_| document(random)).collect());
    }
    let example = example(random);
    let mut mapping = example.mapping.to_string();
    for _ in 0..random.below(3) {
        mapping = with_another(random, &mapping, |random| query(random, Type::Unknown, 1));
    }
    let own: Vec<&str> = example.results.iter().map(|it| it.0).collect();
    let documents = (0..n_documents).map(|_| match own.is_empty() || random.is(5) {
        true => document(random),
        false => {
            let own = random.pick(&own).to_string();
            match random.is(2) {
                true => own,
                false => with_another(random, &own, |random| random.pick(VALUES).to_string()),
            }
        }
    });
    let documents = documents.collect();
    (mapping, documents)
}

/// An example of a function or a method that gives the same in each program.
fn example(random: &mut Random) -> &'static Example {
    let functions = functions().into_iter().map(|it| (it.name, it.category, it.examples));
    let methods = methods().into_iter().map(|it| (it.name, it.category, it.examples));
    let all: Vec<&Example> = (functions.chain(methods))
        .filter(|(name, category, _)| !is_left_out(name, *category))
        .flat_map(|(.., examples)| examples)
        .filter(|it| !LEFT_OUT.iter().any(|name| it.mapping.contains(&format!("{name}("))))
        .collect();
    all[random.below(all.len())]
}

/// A text with something else in the place of one of its literals and references.
fn with_another(random: &mut Random, text: &str, make: impl Fn(&mut Random) -> String) -> String {
    let bytes = text.as_bytes();
    let is_of_name = |it: u8| it.is_ascii_alphanumeric() || it == b'_' || it == b'.';
    let mut places = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = bytes.len().min(at + 1);
                // What is the name of a field stays.
                if !text[at..].trim_start().starts_with(':') {
                    places.push(begin..at);
                }
            }
            it if is_of_name(it) => {
                while at < bytes.len() && is_of_name(bytes[at]) {
                    at += 1;
                }
                let word = &text[begin..at];
                if word.starts_with("this") || word.starts_with(|it: char| it.is_ascii_digit()) {
                    places.push(begin..at);
                }
            }
            _ => at += 1,
        }
    }
    if places.is_empty() {
        return text.to_string();
    }
    let place = places.swap_remove(random.below(places.len()));
    format!("{}{}{}", &text[..place.start], make(random), &text[place.end..])
}

/// A mapping of a few statements.
fn mapping(random: &mut Random) -> String {
    let mut lines = Vec::new();
    for _ in 0..1 + random.below(3) {
        let kinds = [&Type::String, &Type::Number, &Type::Bool, &Type::Array, &Type::Object, &Type::Unknown];
        let kind = *random.pick(&kinds);
        let depth = 1 + random.below(3);
        let target = random.pick(&[
            "root",
            "root.x",
            "root.x.y",
            "root.l.0",
            "root.\"a b\"",
            "root.s",
            "let v",
            "meta m",
            "root.x",
            "root.r",
        ]);
        // What fails ends the mapping, so that nothing would be found behind it.
        let behind = if random.is(2) { ".catch(err -> err)" } else { "" };
        let (open, close) = if behind.is_empty() { ("", "") } else { ("(", ")") };
        lines.push(format!("{target} = {open}{}{close}{behind}", query(random, kind, depth)));
        if random.is(6) {
            lines.push("root.v = $v".to_string());
        }
        if random.is(10) {
            let condition = query(random, Type::Bool, 1);
            lines.push(format!("if {condition} {{\n  root.i = {}\n}}", query(random, Type::Unknown, 1)));
        }
    }
    if random.is(15) {
        // A mistake at any place.
        let mut text = lines.join("\n");
        let places: Vec<usize> = text.char_indices().map(|it| it.0).collect();
        text.remove(places[random.below(places.len())]);
        return text;
    }
    lines.join("\n")
}

/// A document; now and then one that is none.
fn document(random: &mut Random) -> String {
    if random.is(15) {
        return random
            .pick(&["", "no JSON", "[1,2]", "\"text\"", "5", "null", "{\"a\":1} x", "{"])
            .to_string();
    }
    let mut pairs = Vec::new();
    for (name, values) in [
        ("s", &[r#""foo""#, r#""a,b""#, r#""2024-02-29T12:30:00Z""#, r#""5""#, r#""ÄÖ""#, "7"][..]),
        ("n", &["5", "-1", "0", "12345678901234567890", "1e3", r#""5""#]),
        ("f", &["1.5", "0.1", "1.0", "-2.75", "null"]),
        ("b", &["true", "false", "\"true\"", "1"]),
        ("l", &["[1,2,3]", "[]", r#"["b","a"]"#, r#"[{"a":1},{"a":2}]"#, "[null,[1]]", "{}"]),
        ("o", &[r#"{"t":"x","n":2,"l":[5,6]}"#, "{}", r#"{"t":null,"a b":1}"#, "[]"]),
    ] {
        if !random.is(6) {
            pairs.push(format!("\"{name}\":{}", random.pick(values)));
        }
    }
    format!("{{{}}}", pairs.join(","))
}
