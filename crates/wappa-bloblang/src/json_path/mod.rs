//! Paths into documents, in the dialect of the library that Bento has for them: JSONPath as
//! <https://goessner.net/articles/JsonPath/> describes it, where whatever stands in brackets, and all of a text, may be an
//! expression with operators (`+`, `==`, `=~`, `in`, `&&`, `?:` and others).
//!
//! A path without `*`, `..`, a filter, a range or several names gives one value, or fails where there is none. Any other
//! gives a list of all that is found, and what is not there is not in it.
//!
//! Numbers of documents are numbers here, which Bento compares as texts.

mod evaluate;
mod operators;
mod parse;
mod scan;

use wappa_message::Value;

use crate::{error::Result, evaluate::Budget};

/// An expression that was read.
#[derive(Debug)]
pub(crate) struct Expression(Node);

impl Expression {
    /// Reads an expression. The error is Bento's.
    pub(crate) fn parse(text: &str) -> std::result::Result<Expression, String> {
        parse::expression(text).map(Expression)
    }

    /// What it gives for a document.
    pub(crate) fn evaluate(&self, document: &Value, budget: &mut Budget) -> Result<Value> {
        evaluate::Machine { root: document, budget }.value(&self.0, &Value::Null)
    }
}

/// A part of an expression.
#[derive(Debug)]
enum Node {
    Constant(Value),
    Path(Path),
    /// A place in the document, by names and indices: `a.b[0]`.
    Variable(Vec<Node>),
    /// A call of what is no function, of which the name is told.
    Call(String, Vec<Node>),
    /// Reads a time.
    Date(Vec<Node>),
    Prefix(operators::Prefix, Box<Node>),
    Infix(operators::Infix, Box<(Node, Node)>),
    /// The first, if this is anything; else the second.
    Condition(Box<[Node; 3]>),
    List(Vec<Node>),
    Object(Vec<(Node, Node)>),
}

/// Where a path leads.
#[derive(Debug, Default)]
struct Path {
    /// It begins at what a filter looks at, and not at the document.
    is_of_current: bool,
    steps: Vec<Step>,
}

impl Path {
    /// Whether it may lead to any number of places, so that it gives a list.
    fn is_ambiguous(&self) -> bool {
        !self.steps.iter().all(|it| matches!(it, Step::Name(_) | Step::Script(_)))
    }
}

/// From one place to the next ones.
#[derive(Debug)]
enum Step {
    /// To what has this name or index.
    Name(Node),
    /// To what an expression makes of the place.
    Script(Node),
    /// To all that is in it.
    All,
    /// To each that has one of these names or indices.
    Names(Vec<Node>),
    /// To all for which this is true.
    Filter(Node),
    /// To some elements of a list: from where, up to where, how far each time.
    Range(Box<[Node; 3]>),
    /// To the place itself and all that is in it, however deep.
    Descend,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use expect_test::{Expect, expect};
    use wappa_message::Value;

    use super::Expression;
    use crate::evaluate::Budget;

    const DOCUMENT: &str = r#"{
        "l": [{"n": 10}, {"n": 7}, {"n": 4, "s": "q"}],
        "o": {"b": 1, "a": "z", "in": {"n": 2.5}},
        "n": 7, "t": true, "e": "", "z": null
    }"#;

    /// What each line gives for the document.
    fn check(expressions: &str, expected: Expect) {
        let document = Value::from_json(&Bytes::from_static(DOCUMENT.as_bytes())).expect("it is JSON");
        let mut out = String::new();
        for line in expressions.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let told = match Expression::parse(line) {
                Err(why) => format!("refused: {why}"),
                Ok(expression) => match expression.evaluate(&document, &mut Budget::default()) {
                    Ok(value) => value.to_json(),
                    Err(why) => format!("fails: {why}"),
                },
            };
            out.push_str(&format!("{line}  →  {told}\n"));
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn paths() {
        check(
            r#"
            $
            $.l[0].n
            $["l"][1]['n']
            $..n
            $.l[*].n
            $.o.*
            $.l[0:2]
            $.l[-1:]
            $.l[::2]
            $.l[2:0:-1]
            $.l[::-1]
            $.l[0,2]
            $.o['a','nothing','b']
            $..[?(@.n)]
            $..['n','s']
            $.l[?(@.n > 5)].n
            $.l[?(@.s == 'q')]
            $.l[?(@.n == 10 || @.n == 4)].n
            $.l[?(@.n < $.n)]
            $.l[?(@.n =~ "1.")]
            $.nothing[*]
            $.o.in.n
            $.l[$.n - 6]
            $.o(1 + 1)
            l[1].n
            @
            "#,
            expect![[r#"
                $  →  {"e":"","l":[{"n":10},{"n":7},{"n":4,"s":"q"}],"n":7,"o":{"a":"z","b":1,"in":{"n":2.5}},"t":true,"z":null}
                $.l[0].n  →  10
                $["l"][1]['n']  →  7
                $..n  →  [7,10,7,4,2.5]
                $.l[*].n  →  [10,7,4]
                $.o.*  →  ["z",1,{"n":2.5}]
                $.l[0:2]  →  [{"n":10},{"n":7}]
                $.l[-1:]  →  [{"n":4,"s":"q"}]
                $.l[::2]  →  [{"n":10},{"n":4,"s":"q"}]
                $.l[2:0:-1]  →  []
                $.l[::-1]  →  [{"n":4,"s":"q"},{"n":7},{"n":10}]
                $.l[0,2]  →  [{"n":10},{"n":4,"s":"q"}]
                $.o['a','nothing','b']  →  ["z",1]
                $..[?(@.n)]  →  [{"n":10},{"n":7},{"n":4,"s":"q"},{"n":2.5}]
                $..['n','s']  →  [7,10,7,4,"q",2.5]
                $.l[?(@.n > 5)].n  →  [10,7]
                $.l[?(@.s == 'q')]  →  [{"n":4,"s":"q"}]
                $.l[?(@.n == 10 || @.n == 4)].n  →  [10,4]
                $.l[?(@.n < $.n)]  →  [{"n":4,"s":"q"}]
                $.l[?(@.n =~ "1.")]  →  [{"n":10}]
                $.nothing[*]  →  []
                $.o.in.n  →  2.5
                $.l[$.n - 6]  →  {"n":7}
                $.o(1 + 1)  →  2
                l[1].n  →  7
                @  →  null
            "#]],
        );
    }

    #[test]
    fn operators() {
        check(
            r#"
            1 + 2 * 3 ** 2
            -$.n - -1
            'a' + 1
            "7" == 7
            $.n == 7.0
            $.o == $.o
            true == 1
            null == false
            'b' > 'a'
            7 % 4 << 2 | 1 ^ 3 & 2
            ~1
            !$.t || 'true'
            $.n in [7, 8]
            $.e ?? 'none'
            $.z ?? $.n ?? 1
            $.n > 5 ? 'much' : 'little'
            $.e ? 1
            {"a": $.n, 'b': [1, 'x']}
            date("2024-02-29T12:30:00Z")
            'it\'s' + `raw\n`
            1 /* one */ + 1 // two
            "#,
            expect![[r#"
                1 + 2 * 3 ** 2  →  19
                -$.n - -1  →  -6
                'a' + 1  →  "a1"
                "7" == 7  →  true
                $.n == 7.0  →  true
                $.o == $.o  →  true
                true == 1  →  true
                null == false  →  true
                'b' > 'a'  →  true
                7 % 4 << 2 | 1 ^ 3 & 2  →  2
                ~1  →  -2
                !$.t || 'true'  →  true
                $.n in [7, 8]  →  true
                $.e ?? 'none'  →  "none"
                $.z ?? $.n ?? 1  →  7
                $.n > 5 ? 'much' : 'little'  →  "much"
                $.e ? 1  →  null
                {"a": $.n, 'b': [1, 'x']}  →  {"a":7,"b":[1,"x"]}
                date("2024-02-29T12:30:00Z")  →  "2024-02-29T12:30:00Z"
                'it\'s' + `raw\n`  →  "it'sraw\\n"
                1 /* one */ + 1 // two  →  2
            "#]],
        );
    }

    #[test]
    fn what_is_wrong() {
        check(
            r#"
            $.x
            $.l[-1]
            $.l[9]
            $.l.length
            $.n.x
            $.l[(@.length-1)]
            $.l[
            $.l[]
            $.l[1,
            $.l[1;2]
            $.l[1:2,3]
            $.l[?1,2]
            $.l[::::]
            $..[1:2]
            $.
            $..
            $.l.0
            $.l[?(@.n > ]
            'open
            1 +
            1 2
            1 =! 2
            f(1)
            nothing.x
            'a' * 2
            -'x'
            'x' in 1
            'a' =~ '('
            date(1)
            date('never')
            a[1
            {'a' 1}
            "#,
            expect![[r#"
                $.x  →  fails: unknown key x
                $.l[-1]  →  fails: index -1 out of bounds
                $.l[9]  →  fails: index 9 out of bounds
                $.l.length  →  fails: could not select value, invalid key: expected number but got length (string)
                $.n.x  →  fails: unsupported value type int64 for select, expected map[string]interface{} or []interface{}
                $.l[(@.length-1)]  →  fails: could not select value, invalid key: could not select value, invalid key: expected number but got length (string)
                $.l[  →  refused: parsing error: $.l[	:1:5 - 1:5 unexpected EOF while scanning extensions
                $.l[]  →  refused: parsing error: $.l[]	:1:5 - 1:6 unexpected "]" while scanning extensions
                $.l[1,  →  refused: parsing error: $.l[1,	:1:7 - 1:7 unexpected EOF while scanning extensions
                $.l[1;2]  →  refused: parsing error: $.l[1;2]	:1:6 - 1:7 unexpected ";" while scanning JSON bracket separator expected ":" or ","
                $.l[1:2,3]  →  refused: parsing error: $.l[1:2,3]	:1:8 - 1:9 mixed 58 and 44 in JSON bracket
                $.l[?1,2]  →  refused: parsing error: $.l[?1,2]	:1:7 - 1:8 mixed 63 and 44 in JSON bracket
                $.l[::::]  →  refused: parsing error: $.l[::::]	:1:9 - 1:10 range query has at least the parameter [min:max:step]
                $..[1:2]  →  refused: parsing error: $..[1:2]	:1:8 - 1:9 mapper can not be combined with range query
                $.  →  refused: parsing error: $.	:1:3 - 1:3 unexpected EOF while scanning JSON select expected Ident, "." or "*"
                $..  →  refused: parsing error: $..	:1:4 - 1:4 unexpected EOF while scanning JSON mapper expected "[", Ident or "*"
                $.l.0  →  refused: parsing error: $.l.0	:1:4 - 1:6 unexpected Float while scanning operator
                $.l[?(@.n > ]  →  refused: parsing error: $.l[?(@.n > ]	:1:13 - 1:14 unexpected "]" while scanning extensions
                'open  →  refused: parsing error: 'open	:1:1 - 1:6 could not parse string: invalid syntax
                1 +  →  refused: parsing error: 1 +	:1:4 - 1:4 unexpected EOF while scanning extensions
                1 2  →  refused: parsing error: 1 2	:1:3 - 1:4 unexpected Int while scanning operator
                1 =! 2  →  refused: parsing error: 1 =! 2	:1:3 - 1:4 unexpected "=" while scanning operator
                f(1)  →  fails: could not call 'f' type <nil>
                nothing.x  →  fails: unknown parameter nothing.x
                'a' * 2  →  refused: parsing error: 'a' * 2	:1:8 - 1:8 invalid operation (string) * (float64)
                -'x'  →  refused: parsing error: -'x'	:1:2 - 1:5 unexpected x(string) expected number
                'x' in 1  →  refused: parsing error: 'x' in 1	:1:9 - 1:9 expected type []interface{} for in operator but got float64
                'a' =~ '('  →  refused: parsing error: 'a' =~ '('	:1:11 - 1:11 error parsing regexp: missing closing ): `(`
                date(1)  →  fails: date() expects exactly one string argument
                date('never')  →  fails: date() could not parse never
                a[1  →  refused: parsing error: a[1	:1:4 - 1:4 unexpected EOF while scanning array key expected "]"
                {'a' 1}  →  refused: parsing error: {'a' 1}	:1:6 - 1:7 unexpected Int while scanning object expected ":"
            "#]],
        );
    }

    #[test]
    fn what_is_deep_or_long_is_bounded() {
        let told = |it: String| {
            let why = Expression::parse(&it).err().unwrap_or_default();
            why.rsplit_once(" - ").map_or_else(|| "is read".to_string(), |it| it.1.to_string())
        };
        expect!["1:101 more than 100 parts stand one within another"].assert_eq(&told("(".repeat(100_000)));
        expect!["1:102 more than 100 parts stand one within another"].assert_eq(&told("[".repeat(100_000)));
        expect!["1:202 more than 100 parts stand one within another"].assert_eq(&told("$[".repeat(100_000)));
        expect!["1:203 more than 100 parts stand one within another"]
            .assert_eq(&told(format!("1{}", "+$".repeat(100_000))));
        expect!["1:796 more than 100 parts stand one within another"]
            .assert_eq(&told(format!("1{}", " ? 1 : 1".repeat(100_000))));
        expect!["1:101 more than 100 parts stand one within another"].assert_eq(&told("-".repeat(100_000)));

        let expression = Expression::parse("$..*").expect("it is an expression");
        let document = format!("[{}1]", "1,".repeat(9_999));
        let document = Value::from_json(&Bytes::from(document)).expect("it is JSON");
        let mut budget = Budget::default();
        expression.evaluate(&document, &mut budget).expect("it is not too much");
        let spent = budget.spent();
        assert!(10_000 * size_of::<Value>() as u64 <= spent.bytes, "{spent:?}");
        assert!(10_000 <= spent.steps, "{spent:?}");
    }
}
