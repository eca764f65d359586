//! Files of environment variables, in the grammar of Bento's `--env-file`.
//!
//! A line is `KEY = value`, a comment or blank. A value is bare (it ends at a space or `#`), `"quoted"` with escapes,
//! or `"""raw"""`, which may span lines.

/// All assignments of a file, in its order.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut parser = Parser { text, pos: 0 };
    let mut assignments = Vec::new();
    while parser.pos < text.len() {
        parser.skip_blanks();
        if !parser.at_line_end() {
            assignments.push(parser.assignment()?);
            parser.skip_blanks();
        }
        parser.line_end()?;
    }
    Ok(assignments)
}

struct Parser<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn take_while(&mut self, is_taken: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|it| !is_taken(it)).unwrap_or(rest.len())];
        self.pos += taken.len();
        taken
    }

    fn skip_blanks(&mut self) {
        self.take_while(|it| matches!(it, ' ' | '\t'));
    }

    fn at_line_end(&self) -> bool {
        let rest = self.rest();
        rest.is_empty() || rest.starts_with(['\n', '#']) || rest.starts_with("\r\n")
    }

    fn line_end(&mut self) -> Result<(), String> {
        if !self.at_line_end() {
            return Err(self.expected("line break"));
        }
        self.take_while(|it| it != '\n');
        self.take_one('\n');
        Ok(())
    }

    fn take_one(&mut self, wanted: char) -> bool {
        let is_there = self.rest().starts_with(wanted);
        if is_there {
            self.pos += wanted.len_utf8();
        }
        is_there
    }

    fn assignment(&mut self) -> Result<(String, String), String> {
        let name = self.take_while(|it| !matches!(it, '=' | ' ' | '\n' | '#'));
        self.skip_blanks();
        if name.is_empty() || !self.take_one('=') {
            return Err(self.expected("Environment variable assignment"));
        }
        self.skip_blanks();
        let value = if self.rest().starts_with("\"\"\"") {
            self.raw_value()?
        } else if self.rest().starts_with('"') {
            self.quoted_value()?
        } else {
            self.take_while(|it| !matches!(it, '#' | ' ' | '\n' | '\r')).to_string()
        };
        Ok((name.to_string(), value))
    }

    fn raw_value(&mut self) -> Result<String, String> {
        let inside = &self.rest()[3..];
        let Some(end) = inside.find("\"\"\"") else {
            self.pos = self.text.len();
            return Err(self.expected("end quote"));
        };
        self.pos += 3 + end + 3;
        Ok(inside[..end].to_string())
    }

    fn quoted_value(&mut self) -> Result<String, String> {
        let mut value = String::new();
        self.pos += 1;
        loop {
            value.push_str(self.take_while(|it| !matches!(it, '"' | '\\' | '\n')));
            if self.take_one('"') {
                return Ok(value);
            }
            if !self.take_one('\\') {
                return Err(self.expected("end quote"));
            }
            let escaped = match self.rest().chars().next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(it @ ('"' | '\\')) => it,
                _ => return Err(self.expected("escape: one of n, r, t, \\ and \"")),
            };
            self.pos += 1;
            value.push(escaped);
        }
    }

    fn expected(&self, what: &str) -> String {
        let before = &self.text[..self.pos];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.chars().rev().take_while(|it| *it != '\n').count();
        format!("{line}: line {line} char {column}: expected {what}")
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::parse;

    #[test]
    fn the_grammar() {
        let texts = [
            "",
            "\n  \n  \t\n\n #foo bar   \n\n",
            "not a thing",
            "FOO=bar",
            "\n \nFOO=bar\n  \n ",
            "FOO=bar\nBAZ=\"b uz\" # Cool\n\nBEV=qux",
            "FOO=bar\nBAZ=buz\n\nBEV=qux\nand some stuff here",
            "FIRST = foo\n\nSECOND= \"b\\\"a\\nr\"\n\nTHIRD =b\"az\nFIFTH =  \n",
            "A=\"\"\"two\n\"lines\\n\"\"\"\r\nB=x\r\n",
            "A=\"x\n",
            "A=\"\"\"x\n",
            "A=x y",
            "=x",
            "A=b=c",
        ];
        let results: Vec<String> = texts.iter().map(|it| format!("{:?}\n", parse(it))).collect();
        expect![[r#"
            Ok([])
            Ok([])
            Err("1: line 1 char 5: expected Environment variable assignment")
            Ok([("FOO", "bar")])
            Ok([("FOO", "bar")])
            Ok([("FOO", "bar"), ("BAZ", "b uz"), ("BEV", "qux")])
            Err("5: line 5 char 5: expected Environment variable assignment")
            Ok([("FIRST", "foo"), ("SECOND", "b\"a\nr"), ("THIRD", "b\"az"), ("FIFTH", "")])
            Ok([("A", "two\n\"lines\\n"), ("B", "x")])
            Err("1: line 1 char 5: expected end quote")
            Err("2: line 2 char 1: expected end quote")
            Err("1: line 1 char 5: expected line break")
            Err("1: line 1 char 1: expected Environment variable assignment")
            Ok([("A", "b=c")])
        "#]]
        .assert_eq(&results.concat());
    }
}
