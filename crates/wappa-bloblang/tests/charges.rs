//! What mappings make and go through is charged: an allocator that keeps the books holds what each method allocates
//! against what it says, and what has no end comes to one.

#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe by its signature; this one counts and passes on"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use wappa_bloblang::{Environment, Mapped, Method, Params, Program, Spent, Type, methods};
use wappa_message::Message;

struct Books;

thread_local! {
    /// Bytes that this thread has ever allocated, and those that it has not freed.
    static TOTAL: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn book(more: usize, less: usize) {
    TOTAL.set(TOTAL.get() + more as u64);
    LIVE.set(LIVE.get() + more as i64 - less as i64);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Books {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        book(layout.size(), 0);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        book(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        book(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Books = Books;

fn read(mapping: &str) -> Option<Program> {
    Program::parse(mapping, &Environment::restricted()).ok()
}

/// What a mapping allocates in all for a message, and how many bytes it says that it makes; nothing where it fails.
fn spent(program: &Program, message: &Message) -> Option<(u64, u64)> {
    let mut batch = [message.clone()];
    let before = TOTAL.get();
    let mapped = program.map(&mut batch, 0).ok()?;
    Some((TOTAL.get() - before, mapped.spent().bytes))
}

/// What a mapping makes of a content, or why it fails.
fn run(mapping: &str, content: &str) -> Result<String, String> {
    let (mapped, message) = mapped(mapping, content);
    let mut message = message;
    mapped.map(|mapped| {
        mapped.apply(&mut message);
        String::from_utf8_lossy(message.content()).into_owned()
    })
}

fn mapped(mapping: &str, content: &str) -> (Result<Mapped, String>, Message) {
    let program = Program::parse(mapping, &Environment::restricted());
    let program = program.unwrap_or_else(|err| panic!("{mapping}: {err}"));
    let mut batch = [Message::new(content.to_string())];
    let mapped = program.map(&mut batch, 0).map_err(|it| it.to_string());
    let [message] = batch;
    (mapped, message)
}

/// What a mapping spends on a content.
fn spent_on(mapping: &str, content: &str) -> Spent {
    mapped(mapping, content).0.unwrap_or_else(|why| panic!("{mapping}: {why}")).spent()
}

/// Values of all kinds, each large enough that whoever makes something of all of it is seen.
const TARGETS: &[&str] = &[
    r#""ab <c> é,\n".repeat(300)"#,
    r#""x".repeat(4000).bytes()"#,
    r#""1".repeat(3000)"#,
    r#"("[" + "[],".repeat(900) + "0]")"#,
    r#"("[" + "1.50,".repeat(900) + "0]").parse_json()"#,
    r#"("a,b\n" + "1,2\n".repeat(700))"#,
    r#"("a=1&".repeat(700) + "b=2")"#,
    r#"("dc0400" + "90".repeat(1024)).decode("hex")"#,
    r#"("dc0400" + "01".repeat(1024)).decode("hex")"#,
    r#"("http://h/" + "a%41".repeat(700))"#,
    r#""ab\n".repeat(900).compress("gzip")"#,
    r#""YWJj".repeat(900)"#,
    r#""6162".repeat(900)"#,
    r#"("\"" + "\\n".repeat(900) + "\"")"#,
    r#"("<a>" + "<b c=\"d\">e</b>".repeat(200) + "</a>")"#,
    "range(0, 2000)",
    r#"range(0, 900).map_each(it -> "%d".format(it))"#,
    r#"range(0, 900).map_each(it -> "a text that is long enough to be shared %d".format(it))"#,
    "range(0, 300).map_each(it -> [it, it, it])",
    r#"range(0, 300).map_each(it -> {"a": it, "b": [it], ("%d".format(it)): {"c": it}})"#,
    r#"range(0, 900).map_each(it -> {"a": [it]})"#,
    r#"range(0, 900).map_each(it -> {("%d".format(it)): it}).squash()"#,
    r#"{"a": range(0, 900), "b": range(0, 900).map_each(it -> {("%d".format(it)): it}).squash()}"#,
    "range(0, 900).map_each(it -> it > 1)",
    "1.5",
    "5",
    "true",
    r#""1h""#,
    r#""P1D""#,
    r#""2024""#,
    r#""2024-02-29T12:00:00Z""#,
    "null",
];

/// Keys that are good for nothing but this.
const RSA: &str = include_str!("keys/rsa.pem");
const P256: &str = include_str!("keys/p256.pem");
const P384: &str = include_str!("keys/p384.pem");
const P521: &str = include_str!("keys/p521.pem");

fn quoted(key: &str) -> String {
    format!("{key:?}")
}

/// Hashes of a secret.
const BCRYPT: &str = r#""$2a$04$piPlNLB39u7lv1MTckABeeEra3wl5ryFFaZD807vYr9XptKbxMGeO""#;
const ARGON2: &str = r#""$argon2i$v=19$m=64,t=2,p=2$c2FsdHNhbHQ$j6HrtIuQS2njIlS/QgN3LA""#;

/// What the arguments of a method may be, all at once.
fn arguments(method: &Method) -> Vec<String> {
    let given = |texts: [&str; 2], lists: &str, number: &str| match method.params {
        Params::Variadic => format!("{lists}, {lists}, {lists}"),
        Params::Named(params) => {
            let one = |(idx, it): (usize, &wappa_bloblang::Param)| {
                match (it.name, it.kind) {
                ("format", _) if method.name.contains("strptime") => "\"%Y\"".to_string(),
                ("format", _) => "\"2006\"".to_string(),
                ("algorithm", _) if method.name == "hash" => "\"sha256\"".to_string(),
                ("algorithm", _) => "\"gzip\"".to_string(),
                ("scheme", _) if method.name.contains("aes") => "\"ctr\"".to_string(),
                ("scheme", _) => "\"hex\"".to_string(),
                ("key" | "iv", _) => "\"0123456789abcdef\"".to_string(),
                ("hashed_secret", _) if method.name == "compare_bcrypt" => BCRYPT.to_string(),
                ("hashed_secret", _) => ARGON2.to_string(),
                ("signing_secret", _) if method.name.starts_with("sign_jwt_rs") => quoted(RSA),
                ("signing_secret", _) if method.name == "sign_jwt_es256" => quoted(P256),
                ("signing_secret", _) if method.name == "sign_jwt_es384" => quoted(P384),
                ("signing_secret", _) if method.name == "sign_jwt_es512" => quoted(P521),
                ("changelog", _) => {
                    r#"range(0, 50).map_each(it -> {"Type": "create", "Path": ["a", "k%d".format(it)], "To": {"b": it}})"#.to_string()
                }
                ("polynomial", _) => "\"IEEE\"".to_string(),
                ("tz", _) => "\"UTC\"".to_string(),
                ("delimiter", Type::String) if method.name == "parse_csv" => "\",\"".to_string(),
                ("pattern", _) => "\"(.)(?P<n>.)\"".to_string(),
                ("schema", _) => r#""{\"items\":{\"type\":\"number\"},\"uniqueItems\":true}""#.to_string(),
                ("duration", Type::String) => "\"P1D\"".to_string(),
                ("t2", _) => "\"2024-02-29T12:00:00Z\"".to_string(),
                (_, Type::String) => texts[idx.min(1)].to_string(),
                (_, Type::Integer | Type::Float | Type::Number) => number.to_string(),
                (_, Type::Bool) => "true".to_string(),
                (_, Type::Array) => lists.to_string(),
                ("compare", Type::Query) => "it -> it.left < it.right".to_string(),
                (_, Type::Query) => "it -> it".to_string(),
                _ => lists.to_string(),
            }
            };
            params.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
        }
    };
    vec![
        given(["\"a\"", "\"b\""], "this.t", "2"),
        given(["\"\"", "\"bcd\""], "\"a\"", "-1"),
        given(["\"*\"", "\"\""], "[\"1\", \"23\"]", "100"),
        given(["\"%Y\"", "\"x\""], "[this.t, this.t]", "0"),
    ]
}

/// So much may be allocated, one after the other, for each byte that is charged: lists grow to twice as many, a text is
/// copied on its way, a number is written before it is put behind the others.
const FACTOR: u64 = 10;

/// What nobody charges: the machine's own, errors that are told.
const SLACK: u64 = 40 << 10;

#[test]
fn what_methods_allocate_is_charged() {
    let target = |target: &&str| {
        let program = read(&format!("root.t = {target}")).unwrap_or_else(|| panic!("{target}"));
        let mut batch = [Message::new("{}")];
        let mapped = program.map(&mut batch, 0).unwrap_or_else(|why| panic!("{target}: {why}"));
        let [mut message] = batch;
        mapped.apply(&mut message);
        message
    };
    let targets: Vec<(&&str, Message)> = TARGETS.iter().map(|it| (it, target(it))).collect();
    let (mut problems, mut silent) = (Vec::new(), Vec::new());
    for method in methods() {
        // What compresses has tables while it works.
        let slack = if method.name.ends_with("compress") { 10 * SLACK } else { SLACK };
        // A parser takes a token after the other, a query that sorts sees a pair after the other, and none stays.
        let factor = if ["parse_yaml", "sort"].contains(&method.name) { 3 * FACTOR } else { FACTOR };
        let is_too_much = |(allocated, charged): (u64, u64)| factor * charged + slack < allocated;
        let mut is_called = false;
        for args in arguments(method) {
            let Some(program) = read(&format!("let u = this.t.{}({args})\nroot = 1", method.name)) else {
                continue;
            };
            for (target, message) in &targets {
                let Some(first) = spent(&program, message) else { continue };
                is_called = true;
                // What is made once, of the first call, is none of a call's.
                if is_too_much(first)
                    && let Some(next) = spent(&program, message)
                    && is_too_much(next)
                {
                    let (allocated, charged) = next;
                    let name = method.name;
                    problems
                        .push(format!("{target} . {name}({args}) allocates {allocated}, charges {charged}"));
                }
            }
        }
        if !is_called {
            silent.push(method.name);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // These want what is not here: what was encrypted or signed before, and a map.
    let is_wanting = |it: &str| {
        ["apply", "decrypt_aes"].contains(&it) || it.starts_with("parse_jwt_") || it.starts_with("geoip_")
    };
    silent.retain(|it| !is_wanting(it));
    assert!(silent.is_empty(), "not called: {silent:?}");
}

/// A list that holds a list twice, and that one another one twice, forty times over: little memory, and no end for whoever
/// goes through it.
const BOMB: &str = "let t = range(0, 40).fold([\"x\"], it -> [it.tally, it.tally])";

/// Nothing is asserted of what becomes of it: what goes through all of it would not come back.
#[test]
fn what_holds_itself_many_times_over_is_gone_through_by_nobody() {
    let mut n_refused = 0;
    let mut try_it = |mapping: String| {
        if let Some(program) = read(&mapping) {
            let result = program.map(&mut [Message::new("{}")], 0);
            n_refused +=
                usize::from(result.is_err_and(|it| it.as_str().contains("the mapping takes more than")));
        }
    };
    for method in methods() {
        for (target, is_object) in
            [("$t", false), ("{\"a\": $t}", true), ("\"text\"", false), ("[$t, [1], $t]", false)]
        {
            for args in arguments(method).into_iter().take(if is_object { 1 } else { 2 }) {
                let args = args.replace("this.t", "$t");
                try_it(format!("{BOMB}\nroot = {target}.{}({args}).type()", method.name));
            }
        }
    }
    for query in [
        "$t == [$t]",
        "$t == $t",
        "if $t { 1 }",
        "match $t { [[1]] => 1 }",
        "$t + 1",
        "!$t",
        "$t[$t]",
        "{$t: 1}",
        "\"%v %d %s\".format($t, $t, $t)",
        "throw($t)",
        "cosine_similarity($t, $t)",
        "root_meta(\"k\")",
        "root_meta()",
        "@k == @k",
        "@.string()",
    ] {
        try_it(format!("{BOMB}\nmeta k = $t\nroot = ({query}).type()"));
    }
    assert!(50 < n_refused, "only {n_refused} were refused");
}

/// What is charged grows with the square where the work does.
#[test]
fn what_is_copied_again_and_again_is_charged_again_and_again() {
    for mapping in [
        "root = range(0, N).fold({\"l\": []}, it -> {\"l\": it.tally.l.append(it.value)}).l.length()",
        "root = range(0, N).fold({\"l\": []}, it -> {\"l\": it.tally.l.concat([it.value])}).l.length()",
        "root = range(0, N).fold({\"o\": {}}, it -> {\"o\": it.tally.o.merge({(\"%d\".format(it.value)): 1})}).o.length()",
        "root = range(0, N).fold({}, it -> it.tally.set(\"%d\".format(it.value), 1)).length()",
        "root = range(0, N).fold(\"\", it -> it.tally + \"0123456789012345678901234567890123456789\").length()",
        "let l = range(0, N)\nroot = $l.map_each(it -> $l.sum()).length()",
        "let l = range(0, N)\nroot = $l.map_each(it -> $l.find(-1)).length()",
        "let l = range(0, N)\nroot = $l.map_each(it -> $l == $l).length()",
        "let l = {\"l\": range(0, N).map_each(it -> {\"a\": it})}\nroot = $l.l.map_each(it -> $l.get(\"l.*.a\")).length()",
        "let l = range(0, N).map_each(it -> {(\"%d\".format(it)): 1}).squash()\n\
         root = range(0, N).map_each(it -> $l.without(\"1\").length()).length()",
        "map m {\n  root = this\n  root.x = 1\n}\n\
         let l = range(0, N).map_each(it -> {(\"%d\".format(it)): 1}).squash()\n\
         root = range(0, N).map_each(it -> $l.apply(\"m\").length()).length()",
        "let t = \"x\".repeat(N * 64)\nroot = range(0, N).map_each(it -> $t.uppercase().length()).length()",
    ] {
        let spent = |n: u32| spent_on(&mapping.replace('N', &n.to_string()), "{}").steps as f64;
        // What is linear is taken away by a difference, so that small numbers suffice.
        let (one, two, four) = (spent(1000), spent(2000), spent(4000));
        let ratio = (four - 2.0 * two) / (two - 2.0 * one);
        assert!(3.0 < ratio || 4.0 * one < two, "{mapping}: {one} {two} {four}");
    }
}

/// What nobody else holds grows in its place, so a long list is no reason to refuse it.
#[test]
fn a_tally_that_nobody_else_holds_is_not_copied() {
    for (query, made) in [
        ("fold([], it -> it.tally.append(it.value))", "N"),
        ("fold([], this.tally.append(this.value))", "N"),
        ("fold([], it -> it.tally.concat([it.value, it.value]).slice(0))", "2N"),
        (
            "fold([], it -> if it.tally.length() < 5 { it.tally.append(1) } else { it.tally.append(it.value) })",
            "N",
        ),
        ("fold([], it -> it.tally.append(it.tally.length()).catch([]))", "N"),
        (
            "fold([], it -> match { it.value % 2 == 0 => it.tally.append(it.value), _ => it.tally.append(1, 2) })",
            "1.5N",
        ),
        ("fold({}, it -> it.tally.assign({(\"%d\".format(it.value)): it.tally.keys().length()}))", "N"),
    ] {
        let is_square = query.contains("slice") || query.contains("keys");
        let spent = |n: u32| {
            let mapping = format!("root = range(0, {n}).{query}.length()");
            let length: f64 =
                run(&mapping, "{}").expect("it is within all bounds").parse().expect("a number");
            let factor: f64 = made.trim_end_matches('N').parse().unwrap_or(1.0);
            assert_eq!(length, factor * f64::from(n), "{query}");
            spent_on(&mapping, "{}")
        };
        let (one, two) = (spent(1000), spent(2000));
        assert!(
            is_square || (two.steps < 3 * one.steps && two.bytes < 3 * one.bytes),
            "{query}: {one:?} {two:?}"
        );
    }
    let many = "root = range(0, 100000).fold([], it -> it.tally.append(it.value)).length()";
    assert_eq!(run(many, "{}").as_deref(), Ok("100000"));
    let many =
        "root = range(0, 20000).fold({}, it -> it.tally.merge({(\"%d\".format(it.value)): 1})).length()";
    assert_eq!(run(many, "{}").as_deref(), Ok("20000"));
}

/// What is looked at once more is still there, whoever looks.
#[test]
fn a_tally_that_is_taken_is_looked_at_by_nobody() {
    for (query, made) in [
        ("fold([], it -> [it.tally, it.tally])", "[[[[],[]],[[],[]]],[[[],[]],[[],[]]]]"),
        ("fold([], it -> it.tally.append(it.tally))", "[[],[[]],[[],[[]]]]"),
        ("fold([], it -> [it.tally.append(it.value), it.tally].index(0))", "[0,1,2]"),
        ("fold([0], it -> it.tally.append(it.tally.index(-1) + it.value))", "[0,0,1,3]"),
        ("fold([], it -> it.tally.map_each(x -> x + it.tally.length()).append(it.value))", "[3,3,2]"),
        ("fold([], it -> it.tally.append(it.value.uppercase()).catch(it.tally))", "[]"),
        ("fold([], it -> it.tally.append(it.value).or(it.tally))", "[0,1,2]"),
        ("fold([], it -> it.tally.append(it.value).set(\"0\", it.tally.length()))", "[2,1,2]"),
        ("fold([], it -> it.tally.set(\"-\", it.value))", "Error"),
        ("fold({\"n\": 1}, it -> it.tally.set(\"n\", it.tally.n + it.value))", "{\"n\":4}"),
        (
            "fold(null, it -> it)",
            "{\"tally\":{\"tally\":{\"tally\":null,\"value\":0},\"value\":1},\"value\":2}",
        ),
        ("fold(1, it -> it.tally + range(0, 2).fold(it.tally, x -> x.tally + it.value + x.value))", "23"),
        (
            "fold([], it -> range(0, 2).fold(it.tally, x -> x.tally.append([it.value, x.value])))",
            "[[0,0],[0,1],[1,0],[1,1],[2,0],[2,1]]",
        ),
        (
            "fold([], it -> range(0, 2).fold([], x -> x.tally.concat(it.tally, [x.value])))",
            "[0,1,0,0,1,1,0,0,1,0,0,1,1,1]",
        ),
        (
            "fold([], it -> range(0, 2).fold([], x -> throw(\"a\")).catch(it.tally).append(it.value))",
            "[0,1,2]",
        ),
        ("fold([], it -> it.tally.append(it.value).apply(\"same\"))", "[0,1,2]"),
        (
            "fold([], it -> match it.tally { this.length() > 1 => it.tally, _ => this.append(it.value) })",
            "[0,1]",
        ),
        (
            "fold([], it -> match { it.tally.length() > 1 => it.tally, _ => it.tally.append(it.value) })",
            "[0,1]",
        ),
        ("fold([], it -> it.tally.(this.append(it.value)))", "[0,1,2]"),
        ("fold([], it -> it.tally.(t -> t.append(it.value)))", "[0,1,2]"),
        ("fold([], this.tally.append(this.value))", "[0,1,2]"),
        ("fold([], tally.append(value))", "[0,1,2]"),
        ("fold([], this.tally.append(this.(x -> x.tally.length())))", "[0,1,2]"),
        ("fold([], this.tally.append(match { this.value > 0 => this.tally.length(), _ => 7 }))", "[7,1,2]"),
        ("fold([], this.tally.apply(\"same\").append(this.value))", "[0,1,2]"),
        ("fold([], this.tally.append([1].map_each(x -> this.tally.length())))", "[[0],[1],[2]]"),
        ("fold(0, it -> it.tally.not_null().or(5) + it.value)", "3"),
        ("fold([], it -> {\"a\": it.tally, \"b\": it.tally}.a.append(it.value))", "[0,1,2]"),
        ("fold([], it -> {(it.tally.string()): it.tally.append(it.value)}.values().index(0))", "[0,1,2]"),
        ("fold(\"\", it -> it.tally + \"%d\".format(it.value))", "012"),
        ("fold([], it -> if it.value == 1 { it.tally } else { it.tally.append(it.value) })", "[0,2]"),
        ("fold([], it -> [it.tally.append(it.value)][it.tally.length() * 0])", "[0,1,2]"),
        ("fold([], it -> it.tally.append(it.value)[0:it.tally.length() + 1])", "[0,1,2]"),
    ] {
        let made_now = run(&format!("map same {{\n  root = this\n}}\nroot = range(0, 3).{query}"), "{}");
        match made {
            "Error" => assert!(made_now.is_err(), "{query}: {made_now:?}"),
            made => assert_eq!(made_now.as_deref(), Ok(made), "{query}"),
        }
    }
}

/// What a hash wants is charged before it is spent.
#[test]
fn hashes_that_want_too_much_are_refused() {
    for hash in [
        "$2a$31$piPlNLB39u7lv1MTckABeeEra3wl5ryFFaZD807vYr9XptKbxMGeO",
        "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI",
        "$argon2id$v=19$m=64,t=4294967295,p=1$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI",
        "$argon2id$v=19$m=64,t=1,p=16777215$c2FsdHNhbHQ$TnDEl2tJgYtaYZt0/5f59Jf56vkIG4EtQACv6SLO2cI",
    ] {
        let method = if hash.starts_with("$2") { "compare_bcrypt" } else { "compare_argon2" };
        let mapping = format!("root = this.a.{method}(\"{hash}\")");
        let why = run(&mapping, r#"{"a":"secret"}"#).expect_err(hash);
        assert!(
            why.contains("the mapping takes more than") || why.contains("the mapping makes more than"),
            "{why}"
        );
    }
}

/// Attributes, elements and texts of XML are each a value.
#[test]
fn documents_of_xml_are_charged_for_what_they_become() {
    let text = format!("<a>{}</a>", "<b/>".repeat(100_000));
    let spent = spent_on("root = content().parse_xml().a.b.length()", &text);
    assert!(100 * 100_000 < spent.bytes, "{spent:?}");
    // Nothing is as deep as that, and nobody's stack ends.
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    let why = run("root = content().parse_xml()", &deep).expect_err("it is too deep");
    assert!(why.contains("one within another"), "{why}");
}

#[test]
fn a_tally_costs_what_it_holds() {
    let mapping = r#"root = range(0, 3000).fold("", it -> "x".repeat(1000000)).length()"#;
    assert_eq!(run(mapping, "{}").as_deref(), Ok("1000000"));
    let spent = spent_on(mapping, "{}");
    assert!(spent.bytes < 10_000_000, "{spent:?}");
    let why =
        run(r#"root = range(0, 3000).fold([], it -> it.tally.append("x".repeat(1000000))).length()"#, "{}");
    assert!(why.is_err_and(|it| it.contains("the mapping makes more than")));
}

#[test]
fn merging_costs_what_is_merged() {
    let mapping =
        "root = range(0, N).map_each(it -> {\"a\": it, \"b\": {\"c\": [it]}}).squash().b.c.length()";
    let steps = |n: u32| spent_on(&mapping.replace('N', &n.to_string()), "{}").steps;
    let (one, two) = (steps(2000), steps(4000));
    assert!(two < 3 * one, "{one} {two}");
    assert_eq!(run(&mapping.replace('N', "5"), "{}").as_deref(), Ok("5"));
}

#[test]
fn a_document_is_gone_through_once() {
    let big = (0..40_000).map(|it| format!("\"k{it}\":{{\"x\":[{it}]}}")).collect::<Vec<_>>().join(",");
    let content = format!("{{\"big\":{{\"x\":{{{big}}}}},\"items\":[{}0]}}", "0,".repeat(50_000));
    let spent = spent_on("root = this.items.map_each(it -> this.big.x.k7.x.0).sum()", &content);
    assert!(spent.steps < 5_000_000, "{spent:?}");
}

#[test]
fn what_is_read_anew_is_charged_anew() {
    let escaped = format!("{{\"t\":\"{}\"}}", "\\n".repeat(100_000));
    let plain = format!("{{\"t\":\"{}\"}}", "nn".repeat(100_000));
    let mapping = "root = range(0, 500).map_each(it -> this.t.length()).sum()";
    let (escaped, plain) = (spent_on(mapping, &escaped).steps, spent_on(mapping, &plain).steps);
    assert!(plain < 20_000 && 1_000_000 < escaped, "{plain} {escaped}");
}

#[test]
fn what_is_printed_is_charged_before() {
    for (mapping, at_least) in [
        (r#"root = "%999v".format(range(0, 1000)).length()"#, 999_000),
        (r#"root = "%.999f".format(range(0, 100).map_each(it -> it + 0.5)).length()"#, 99_900),
        (
            r#"root = range(0, 50).fold("a\n".repeat(1000), it -> {"k": it.tally}).format_yaml().length()"#,
            50 * 4 * 1000,
        ),
        (
            r#"root = range(0, 50).fold("a", it -> [it.tally]).format_json("x".repeat(1000)).length()"#,
            2_000_000,
        ),
        (r#"root = "<".repeat(10000).format_json(no_indent: true).length()"#, 60_000),
    ] {
        let spent = spent_on(mapping, "{}");
        assert!(at_least <= spent.bytes, "{mapping}: {spent:?}");
    }
}

#[test]
fn searches_that_find_little_and_look_at_all_are_charged() {
    let text = "x".repeat(5000);
    for find in ["re_find_all", "re_find_all_submatch", "re_find_all_object"] {
        let spent = spent_on(&format!("root = content().string().{find}(\"[a-z]*y|x\").length()"), &text);
        assert!(10 * text.len() as u64 <= spent.steps, "{find}: {spent:?}");
    }
    let short = "x".repeat(1000);
    let spent = spent_on("root = content().string().re_find_all(\"[a-z]*y|x\").length()", &short);
    assert!(10 * short.len() as u64 <= spent.steps, "{spent:?}");
    let replaced = spent_on(r#"root = content().string().re_replace_all("[a-z]*y|x", "z").length()"#, &text);
    assert!(10 * text.len() as u64 <= replaced.steps, "{replaced:?}");
}

#[test]
fn errors_show_no_more_than_anybody_reads() {
    let long = format!("{{\"t\":\"{}\"}}", "x".repeat(1_000_000));
    for query in [
        "this.t.index(0)",
        "this.t.keys()",
        "this.t.number()",
        "this.t.int64()",
        "this.t.parse_duration()",
        "this.t.ts_parse(\"2006\")",
        "this.t.ts_strptime(\"%Y\")",
        "\"a\".replace_all_many([this.t])",
        "(\"http://\" + this.t + \":x/\").parse_url()",
        "if this.t { 1 }",
        "if [this.t] { 1 }",
    ] {
        let length = run(&format!("root = ({query}).catch(err -> err).length()"), &long);
        let length: usize = length.ok().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{query}"));
        assert!((1000..20_000).contains(&length), "{query}: {length}");
    }
}

#[test]
fn names_that_are_counted_are_few() {
    let program = "root = count(\"x\".repeat(100000) + this.n.string())";
    let program = Program::parse(program, &Environment::default()).expect("it can be read");
    let count = |n: usize| {
        program.map(&mut [Message::new(format!("{{\"n\":{n}}}"))], 0).map(drop).map_err(|it| it.to_string())
    };
    assert_eq!((0..150).find(|it| count(*it).is_err()), None);
    let why = (150..1000).find_map(|it| count(it).err()).expect("there is an end");
    assert!(why.contains("the names that are counted take more than"), "{why}");
    assert_eq!(count(5), Ok(()));
}

/// The order of names that YAML is written in is none: one comes before another one, that before a third, and that before
/// the first.
#[test]
fn names_without_an_order_are_written() {
    let mut state = 1u64;
    let mut next = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for _ in 0..300 {
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..60 {
            let name: String =
                (0..=next(5)).map(|_| ['0', '1', '9', 'a', 'B', '_', '-', 'é'][next(8) as usize]).collect();
            names.insert(name);
        }
        let pairs: Vec<String> = names.iter().map(|it| format!("{it:?}:1")).collect();
        let document = format!("{{{}}}", pairs.join(","));
        let back = run("root = this.format_yaml().parse_yaml() == this", &document);
        assert_eq!(back.as_deref(), Ok("true"), "{document}");
    }
}

/// A mapping that was read takes memory for as long as its stream runs.
#[test]
fn a_mapping_takes_less_than_a_hundred_times_its_text() {
    let texts = [
        "root = this\nroot.seen = true",
        "root = this.without(\"type\", \"message\")\nroot.kind = this.type",
        "root.a = this.a\nroot.b = this.b\nroot.c = this.c.uppercase() + \" \" + this.d.string()",
        "root.tags = this.tags.map_each(it -> match it { this == \"new\" => 1, this == \"sale\" => 2, _ => 0 })",
        "root = if this.type == \"x\" { deleted() } else { this.items.filter(it -> it.price > 10).length() }",
        "map m {\n  root = this\n  root.x = this.x.or(0) + 1\n}\nlet v = this.list.fold(0, it -> it.tally + it.value)\n\
         meta key = \"%s-%d\".format(this.id, $v)\nroot = this.apply(\"m\")",
    ];
    for text in texts {
        let before = LIVE.get();
        let programs: Vec<_> = (0..100).map(|_| read(text).expect("it is sound")).collect();
        let taken = (LIVE.get() - before) as usize / programs.len();
        assert!(taken < 100 * text.len(), "{text}: {taken} bytes for {}", text.len());
        eprintln!("{} bytes of text take {taken} bytes", text.len());
    }
}
