//! The tree of a text, and what happens to texts that are no YAML.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;

fn dump(out: &mut String, node: &Node, depth: usize) {
    let Pos { line, column } = node.pos;
    write!(out, "{:depth$}{line}:{column}+{} ", "", node.len).expect("writing to a string");
    match &node.kind {
        Kind::Null => out.push_str("null\n"),
        Kind::Scalar { text, style } => writeln!(out, "{text:?} {style:?}").expect("writing to a string"),
        Kind::Seq(items) => {
            out.push_str("seq\n");
            items.iter().for_each(|it| dump(out, it, depth + 1));
        }
        Kind::Map(pairs) => {
            out.push_str("map\n");
            for (key, value) in pairs {
                dump(out, key, depth + 1);
                dump(out, value, depth + 2);
            }
        }
    }
}

fn check(text: &str, expected: Expect) {
    let mut out = String::new();
    match parse(text) {
        Ok(parsed) => {
            dump(&mut out, &parsed.node, 0);
            for lint in parsed.lints {
                writeln!(out, "{lint}").expect("writing to a string");
            }
        }
        Err(lint) => {
            writeln!(out, "error: {lint} at column {}", lint.pos.column).expect("writing to a string")
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn what_has_a_tag_of_its_own_is_a_text() {
    check(
        "a: !x 1\nb: !!binary eA==\n",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:7+1 "1" Quoted
         2:1+1 "b" Plain
          2:13+4 "eA==" Quoted
        (2,1) `!!binary` is not decoded: write the text that it stands for
    "#]],
    );
}

#[test]
fn scalars_and_positions() {
    check(
        "a: 1\nb: 'x y'\nc:\nd: ~\ne: \"\"\nf: !!str 5\ng: [a, {b: c}]\nh:\n- i\n-  - j\n",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:4+1 "1" Plain
         2:1+1 "b" Plain
          2:4+5 "x y" Quoted
         3:1+1 "c" Plain
          3:2+0 null
         4:1+1 "d" Plain
          4:4+1 null
         5:1+1 "e" Plain
          5:4+2 "" Quoted
         6:1+1 "f" Plain
          6:10+1 "5" Quoted
         7:1+1 "g" Plain
          7:4+0 seq
           7:5+1 "a" Plain
           7:8+0 map
            7:9+1 "b" Plain
             7:12+1 "c" Plain
         8:1+1 "h" Plain
          9:3+0 seq
           9:3+1 "i" Plain
           10:4+0 seq
            10:6+1 "j" Plain
    "#]],
    );
}

#[test]
fn block_scalars_are_where_they_are_whatever_ends_lines() {
    // The same text with line feeds, with both, and with carriage returns alone, which the library takes for line ends.
    let text = "x: 1\na: |\n\n  one\n\n  two\nb:\n  - >-\n    three\n";
    let dumped = |end: &str| {
        let mut out = String::new();
        dump(&mut out, &parse(&text.replace('\n', end)).expect("it is YAML").node, 0);
        out
    };
    for end in ["\r\n", "\r"] {
        assert_eq!(dumped(end), dumped("\n"), "{end:?}");
    }
    check(
        &text.replace('\n', "\r"),
        expect![[r#"
        1:1+0 map
         1:1+1 "x" Plain
          1:4+1 "1" Plain
         2:1+1 "a" Plain
          2:4+0 "\none\n\ntwo\n" Literal { column: 3 }
         7:1+1 "b" Plain
          8:3+0 seq
           8:5+0 "three" Folded { column: 5 }
    "#]],
    );
}

#[test]
fn block_scalars_keep_the_place_of_their_indicator() {
    check(
        "a: |\n  one\n  two\nb:   >- # why | not\n\n    x\nc: |",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:4+0 "one\ntwo\n" Literal { column: 3 }
         4:1+1 "b" Plain
          4:6+0 "\nx" Folded { column: 5 }
         7:1+1 "c" Plain
          7:4+0 "" Literal { column: 4 }
    "#]],
    );
    check(
        "a: |\n  no line end",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:4+0 "no line end" Literal { column: 3 }
    "#]],
    );
    check(
        "- |+\n  a\n\n\n- b",
        expect![[r#"
        1:1+0 seq
         1:3+0 "a\n\n\n" Literal { column: 3 }
         5:3+1 "b" Plain
    "#]],
    );
}

#[test]
fn aliases_and_merge_keys() {
    check(
        "a: &x {k: v}\nb: *x\nc:\n  <<: *x\n  d: 1\n",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:7+0 map
           1:8+1 "k" Plain
            1:11+1 "v" Plain
         2:1+1 "b" Plain
          1:7+0 map
           1:8+1 "k" Plain
            1:11+1 "v" Plain
         3:1+1 "c" Plain
          4:3+0 map
           4:3+2 "<<" Plain
            1:7+0 map
             1:8+1 "k" Plain
              1:11+1 "v" Plain
           5:3+1 "d" Plain
            5:6+1 "1" Plain
        (4,1) merge keys (`<<`) are not applied, as in Bento: `k` would be missing here
    "#]],
    );
    check(
        "a: &x [*x]\n",
        expect![[r#"
        error: (1,1) yaml: line 1: an anchor contains itself at column 8
    "#]],
    );
    check(
        "a: *nope\n",
        expect![[r#"
        error: (1,1) yaml: line 1: while parsing node, found unknown anchor at column 4
    "#]],
    );
}

#[test]
fn quotes_within_quotes() {
    check(
        r#"a: "b("c")""#,
        expect![[r#"
        error: (1,1) yaml: line 1: invalid trailing content after double-quoted scalar at column 8
    "#]],
    );
}

#[test]
fn documents() {
    check(
        "",
        expect![[r#"
        0:0+0 null
    "#]],
    );
    check(
        "# only a comment\n",
        expect![[r#"
        0:0+0 null
    "#]],
    );
    check(
        "a: 1\n---\nb: [\n",
        expect![[r#"
            1:1+0 map
             1:1+1 "a" Plain
              1:4+1 "1" Plain
            (2,1) what follows this line is another document, and is not read: a config is one
        "#]],
    );
    check(
        "---\n---\nb: 1\n",
        expect![[r#"
            1:4+0 null
            (2,1) what follows this line is another document, and is not read: a config is one
        "#]],
    );
    check(
        "{\"a\": [1, true, null, \"x\"]}",
        expect![[r#"
        1:1+0 map
         1:2+3 "a" Quoted
          1:7+0 seq
           1:8+1 "1" Plain
           1:11+4 "true" Plain
           1:17+4 null
           1:23+3 "x" Quoted
    "#]],
    );
}

#[test]
fn repeated_keys() {
    check(
        "a: 1\nb: 2\na: 3\n",
        expect![[r#"
        1:1+0 map
         1:1+1 "a" Plain
          1:4+1 "1" Plain
         2:1+1 "b" Plain
          2:4+1 "2" Plain
         3:1+1 "a" Plain
          3:4+1 "3" Plain
        (3,1) key a was given before at line 1, the last one counts
    "#]],
    );
}

#[test]
fn unreadable() {
    check(
        "a: [1, 2\n",
        expect![[r#"
        error: (1,1) yaml: line 1: unclosed bracket '[' at column 4
    "#]],
    );
    check(
        "a: {b: 1\nc: 2\n",
        expect![[r#"
        error: (2,1) yaml: line 2: while parsing a flow mapping, did not find expected ',' or '}' at column 2
    "#]],
    );
    check(
        "a:\n\tb: 1\n",
        expect![[r#"
        error: (2,1) yaml: line 2: found a tab where only spaces may indent at column 2
    "#]],
    );
    check(
        "a: b: c\n",
        expect![[r#"
        error: (1,1) yaml: line 1: mapping values are not allowed in this context at column 5
    "#]],
    );
    check(
        "a: \"x\n",
        expect![[r#"
        error: (1,1) yaml: line 1: unclosed quote at column 4
    "#]],
    );
    check(
        "\u{0}\u{1}\u{2}ELF",
        expect![[r#"
        error: (1,1) yaml: line 1: unexpected character: `\u{0}' at column 1
    "#]],
    );
    check(
        "a: 1\n b: 2\n",
        expect![[r#"
        error: (2,1) yaml: line 2: mapping values are not allowed in this context at column 3
    "#]],
    );
    check(
        "- a\nb: c\n",
        expect![[r#"
        error: (2,1) yaml: line 2: while parsing a block collection, did not find expected '-' indicator at column 1
    "#]],
    );
}

#[test]
fn ten_megabytes_of_brackets() {
    check(
        &"[".repeat(10 << 20),
        expect![[r#"
        error: (1,1) yaml: line 1: nested more than 100 levels deep at column 101
    "#]],
    );
    check(
        &"- ".repeat(5 << 20),
        expect![[r#"
        error: (1,1) yaml: line 1: nested more than 100 levels deep at column 201
    "#]],
    );
    check(
        &"{a: ".repeat(2 << 20),
        expect![[r#"
        error: (1,1) yaml: line 1: nested more than 100 levels deep at column 401
    "#]],
    );
    let deep = format!("{}x{}", "[".repeat(99), "]".repeat(99));
    assert!(parse(&deep).is_ok(), "99 levels are not too deep");
}

#[test]
fn alias_bombs() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..20 {
        let items = vec![format!("*a{}", i - 1); 9].join(", ");
        writeln!(text, "a{i}: &a{i} [{items}]").expect("writing to a string");
    }
    check(
        &text,
        expect![[r#"
        error: (5,1) yaml: line 5: anchors and aliases expand to more than 100000 nodes or 16 MiB of text at column 9
    "#]],
    );

    let mut text = "a0: &a0 [x]\n".to_string();
    for i in 1..200 {
        writeln!(text, "a{i}: &a{i} [*a{}]", i - 1).expect("writing to a string");
    }
    check(
        &text,
        expect![[r#"
        error: (99,1) yaml: line 99: nested more than 100 levels deep at column 11
    "#]],
    );
}
