//! Statements: assignments, conditions, maps, imports.

use bytes::Bytes;

use super::{
    Parser,
    fail::{Fail, OrElse, Parsed, one_of},
};
use crate::{
    program::{Expr, Map, Program, Statement, StatementKind, Target},
    value::path::Path,
};

/// Where a statement stands, which says what it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    /// In a condition.
    Block,
    /// In a map, which has no metadata.
    Map,
}

impl Parser<'_> {
    /// A whole mapping.
    pub(super) fn program(&mut self) -> Parsed<Program> {
        match self.direct_import() {
            Ok(program) => return Ok(program),
            Err(fail) if fail.is_fatal() => return Err(fail),
            Err(_) => self.at = 0,
        }
        let statements = match self.statements() {
            Ok(statements) => statements,
            Err(fail) if fail.is_fatal() => return Err(fail),
            Err(fail) => {
                // Or all of it is one query.
                self.at = 0;
                self.variables.clear();
                match self.single() {
                    Ok(statement) => vec![statement],
                    Err(other) if other.at > fail.at => return Err(other),
                    Err(_) => return Err(fail),
                }
            }
        };
        let parser = std::mem::replace(self, Parser::new("", self.environment));
        Ok(parser.into_program(statements))
    }

    /// `from "path"`, which stands for the whole mapping of that file.
    fn direct_import(&mut self) -> Parsed<Program> {
        self.skip_blanks();
        self.term("from")?;
        self.spaces()?;
        let path = self.quoted_text()?;
        self.skip_blanks();
        let (source, dir) = self.import(0, &path)?;
        let mut parser = self.of_import(&source, dir);
        let statements = parser
            .statements()
            .map_err(|fail| Fail::of_import(0, path, super::ParseError::new(&source, &fail)))?;
        if !self.rest().is_empty() {
            let why = format!("unexpected content after single root import: {}", self.rest());
            return Err(Fail::fatal(0, why));
        }
        Ok(parser.into_program(statements))
    }

    /// One query, which stands for what is assigned to the root.
    fn single(&mut self) -> Parsed<Statement> {
        self.skip_blanks();
        let begin = self.at;
        let query = self.query()?;
        let end = self.at;
        self.skip_blanks();
        if !self.rest().is_empty() {
            let text: String = self.source[begin..end].chars().take(13).collect();
            let shown = match text.chars().count() {
                13 => format!("{}...", text.chars().take(12).collect::<String>()),
                _ => text,
            };
            let what = format!(
                "the mapping to end here as the beginning is shorthand for `root = {shown}`, but this shorthand form \
                 cannot be followed with more assignments"
            );
            return Err(Fail::expected(self.at, what));
        }
        Ok(Statement { line: 1, kind: StatementKind::Assign(Target::Root(Path::default()), query) })
    }

    /// All statements to the end of the text.
    fn statements(&mut self) -> Parsed<Vec<Statement>> {
        let mut statements = Vec::new();
        self.skip_blanks();
        loop {
            statements.extend(self.statement(Place::Top, 0)?);
            self.skip_spaces();
            if self.rest().is_empty() {
                break;
            }
            self.line_break()?;
            self.skip_blanks();
            if self.rest().is_empty() {
                break;
            }
        }
        Ok(statements)
    }

    /// One statement; its line counts from that on which its mapping or map begins, of which there are `from` before it.
    /// Imports and maps are none.
    fn statement(&mut self, place: Place, from: usize) -> Parsed<Option<Statement>> {
        self.within(|parser| {
            let line = parser.lines_before(parser.at) - from + 1;
            let kind = if place == Place::Top {
                one_of!(
                    parser,
                    parser.import_statement().map(|()| None),
                    parser.map_statement().map(|()| None),
                    parser.let_statement().map(Some),
                    parser.meta_statement(place).map(Some),
                    parser.plain_statement().map(Some),
                    parser.if_statement(from).map(Some),
                )
            } else {
                one_of!(
                    parser,
                    parser.let_statement().map(Some),
                    parser.meta_statement(place).map(Some),
                    parser.plain_statement().map(Some),
                    parser.if_statement(from).map(Some),
                )
            }?;
            Ok(kind.map(|kind| Statement { line, kind }))
        })
    }

    fn import_statement(&mut self) -> Parsed<()> {
        let begin = self.at;
        self.term("import")?;
        self.spaces()?;
        let path = self.quoted_text().called("filepath").required()?;
        let (source, dir) = self.import(begin, &path)?;
        let mut parser = self.of_import(&source, dir);
        parser
            .statements()
            .map_err(|fail| Fail::of_import(begin, path.clone(), super::ParseError::new(&source, &fail)))?;
        let (maps, reads_batch, kept) = (parser.maps, parser.reads_batch, parser.kept);
        if maps.is_empty() {
            return Err(Fail::fatal(begin, format!("no maps to import from '{path}'")));
        }
        let is_here = |name: &str| self.maps.iter().any(|it| it.name == name);
        let collisions: Vec<&str> =
            maps.iter().map(|it| it.name.as_str()).filter(|name| is_here(name)).collect();
        if !collisions.is_empty() {
            let why = format!("map name collisions from import '{path}': [{}]", collisions.join(" "));
            return Err(Fail::fatal(begin, why));
        }
        self.maps.extend(maps);
        self.reads_batch |= reads_batch;
        kept.into_iter().for_each(|it| self.reaches(it));
        Ok(())
    }

    fn map_statement(&mut self) -> Parsed<()> {
        let begin = self.at;
        self.term("map")?;
        self.spaces()?;
        let name = self.quoted_or_name("map name").required()?;
        self.spaces()?;
        let variables = std::mem::take(&mut self.variables);
        let from = self.lines_before(begin);
        let statements = self.block(Place::Map, from);
        let n_variables = std::mem::replace(&mut self.variables, variables).len();
        let statements = statements?;
        if self.maps.iter().any(|it| it.name == name) {
            return Err(Fail::fatal(begin, format!("map name collision: {name}")));
        }
        self.maps.push(Map { name, statements, n_variables });
        Ok(())
    }

    /// Statements between braces.
    fn block(&mut self, place: Place, from: usize) -> Parsed<Vec<Statement>> {
        let statements = self.delimited(
            |parser| {
                parser.character(b'{', "{")?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| parser.statement(place, from),
            |parser| {
                parser.skip_spaces();
                parser.line_break()?;
                parser.skip_blanks();
                Ok(())
            },
            |parser| {
                parser.skip_blanks();
                parser.character(b'}', "}")
            },
        )?;
        Ok(statements.into_iter().flatten().collect())
    }

    fn let_statement(&mut self) -> Parsed<StatementKind> {
        self.term("let").called("assignment")?;
        self.spaces()?;
        let name = self.quoted_or_name("variable name").required()?;
        let query = self.assigned()?;
        let slot = self.variable(&name);
        Ok(StatementKind::Assign(Target::Variable(slot), query))
    }

    fn meta_statement(&mut self, place: Place) -> Parsed<StatementKind> {
        let begin = self.at;
        self.term("meta").called("assignment")?;
        self.spaces()?;
        let key = self.maybe(|parser| match parser.peek() {
            Some(b'"') => parser.quoted(),
            _ => parser.name("metadata key").map(|it| it.as_bytes().to_vec()),
        })?;
        self.skip_spaces();
        self.character(b'=', "=")?;
        self.spaces()?;
        let query = self.query()?;
        if place == Place::Map {
            return Err(Fail::fatal(begin, "setting meta fields is not allowed within this block"));
        }
        Ok(StatementKind::Assign(Target::Metadata(key.map(Bytes::from)), query))
    }

    fn plain_statement(&mut self) -> Parsed<StatementKind> {
        let mut path = Path::default();
        let first = self.name("assignment")?;
        // The word is not part of the path that it begins.
        if first != "root" {
            path.push(first);
        }
        // What does not continue the path is told by whoever comes next.
        let rest = self.maybe(|parser| {
            let mut rest = Vec::new();
            loop {
                parser.character(b'.', ".")?;
                rest.push(parser.quoted_or_name("target path")?);
                if parser.peek() != Some(b'.') {
                    return Ok(rest);
                }
            }
        })?;
        rest.unwrap_or_default().iter().for_each(|it| path.push(it));
        let query = self.assigned()?;
        Ok(StatementKind::Assign(Target::Root(path), query))
    }

    /// `= query`
    fn assigned(&mut self) -> Parsed<Expr> {
        self.spaces()?;
        self.character(b'=', "=")?;
        self.spaces()?;
        self.query()
    }

    fn if_statement(&mut self, from: usize) -> Parsed<StatementKind> {
        let mut branches = Vec::new();
        self.term("if").called("assignment")?;
        self.spaces()?;
        let condition = self.query().required()?;
        self.skip_blanks();
        branches.push((Some(condition), self.block(Place::Block, from)?));
        while let Some(branch) = self.maybe(|parser| {
            parser.skip_blanks();
            parser.term("else if")?;
            parser.spaces()?;
            let condition = parser.query().required()?;
            parser.skip_blanks();
            Ok((Some(condition), parser.block(Place::Block, from)?))
        })? {
            branches.push(branch);
        }
        let otherwise = self.maybe(|parser| {
            parser.skip_blanks();
            parser.term("else")?;
            parser.skip_blanks();
            Ok((None, parser.block(Place::Block, from)?))
        })?;
        branches.extend(otherwise);
        Ok(StatementKind::If(branches))
    }
}
