//! What a mapping reads of a message and what it assigns, as far as its text shows: so a workflow finds out which of its
//! branches needs what another one gives.

use crate::{
    program::{Case, Expr, FieldRoot, Program, Statement, StatementKind, Target},
    value::path::Path,
};

/// A place in a message: in its document, or of its metadata. In order, what is part of a place stands right behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    is_metadata: bool,
    /// Names, none for all of it.
    path: Vec<String>,
}

impl Place {
    /// Whether it is of the metadata, and not in the document.
    pub fn is_metadata(&self) -> bool {
        self.is_metadata
    }

    /// The names that lead there; none for all of it.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    fn of_document(path: &Path) -> Place {
        Place { is_metadata: false, path: path.names().collect() }
    }

    fn of_metadata(key: Option<&[u8]>) -> Place {
        let path = key.map(|it| String::from_utf8_lossy(it).into_owned()).into_iter().collect();
        Place { is_metadata: true, path }
    }
}

impl Program {
    /// What it assigns.
    pub fn assigned(&self) -> Vec<Place> {
        let mut places = Vec::new();
        each_statement(&self.statements, &mut |statement| {
            if let StatementKind::Assign(target, _) = &statement.kind {
                match target {
                    Target::Root(path) => places.push(Place::of_document(path)),
                    Target::Metadata(key) => places.push(Place::of_metadata(key.as_deref())),
                    Target::Variable(_) => (),
                }
            }
        });
        places
    }

    /// What it reads of the message; what is read of a part of it within a method counts as that part.
    pub fn read(&self) -> Vec<Place> {
        let mut places = Vec::new();
        each_statement(&self.statements, &mut |statement| match &statement.kind {
            StatementKind::Assign(_, query) => collect(query, true, &mut places),
            StatementKind::If(branches) => {
                branches.iter().filter_map(|it| it.0.as_ref()).for_each(|it| collect(it, true, &mut places));
            }
        });
        places
    }
}

fn each_statement(statements: &[Statement], see: &mut dyn FnMut(&Statement)) {
    for statement in statements {
        see(statement);
        if let StatementKind::If(branches) = &statement.kind {
            branches.iter().for_each(|(_, statements)| each_statement(statements, see));
        }
    }
}

/// Collects what a query reads; `is_outer`: `this` is the document in there.
fn collect(query: &Expr, is_outer: bool, places: &mut Vec<Place>) {
    let mut all = |queries: &[&Expr]| queries.iter().for_each(|it| collect(it, is_outer, places));
    match query {
        Expr::Literal(_) | Expr::Variable(_) => (),
        Expr::Field(field) => {
            if is_outer && matches!(field.root, FieldRoot::This) {
                places.push(Place::of_document(&field.path));
            }
        }
        Expr::Get(get) => match &get.0 {
            Expr::Field(field) if matches!(field.root, FieldRoot::This) && is_outer => {
                let mut path = field.path.clone();
                path.join(get.1.clone());
                places.push(Place::of_document(&path));
            }
            other => all(&[other]),
        },
        Expr::Metadata(key) => places.push(Place::of_metadata(key.as_deref())),
        Expr::Not(query) => all(&[query]),
        Expr::Binary(binary) => all(&[&binary.left, &binary.right]),
        Expr::Match(it) => {
            let is_outer_inside = is_outer && it.target.is_none();
            if let Some(target) = &it.target {
                collect(target, is_outer, places);
            }
            for (case, result) in &it.cases {
                if let Case::True(check) = case {
                    collect(check, is_outer_inside, places);
                }
                collect(result, is_outer_inside, places);
            }
        }
        Expr::If(it) => {
            it.branches.iter().for_each(|(check, result)| all(&[check, result]));
            it.otherwise.iter().for_each(|it| all(&[it]));
        }
        Expr::Lambda(lambda) => all(&[&lambda.body]),
        Expr::Map(map) => {
            collect(&map.0, is_outer, places);
            collect(&map.1, false, places);
        }
        Expr::Apply(apply) => {
            all(&[&apply.target]);
            apply.args.dynamic().for_each(|it| collect(it, is_outer, places));
        }
        Expr::Index(index) => all(&[&index.0, &index.1]),
        Expr::Slice(slice) => {
            all(&[&slice.target]);
            [&slice.start, &slice.end, &slice.step].into_iter().flatten().for_each(|it| all(&[it]));
        }
        Expr::Array(values) => values.iter().for_each(|it| all(&[it])),
        Expr::Object(pairs) => pairs.iter().for_each(|(key, value)| all(&[key, value])),
        Expr::Function(call) => {
            let name = call.args.fixed_text(0).filter(|it| !it.is_empty());
            match call.function.name {
                "json" => {
                    places
                        .push(Place::of_document(&name.map_or_else(Path::default, |it| Path::of_dots(&it))));
                }
                "meta" | "metadata" => places.push(Place::of_metadata(name.as_ref().map(|it| it.as_bytes()))),
                _ => (),
            }
            call.args.dynamic().chain(call.args.queries()).for_each(|it| collect(it, is_outer, places));
        }
        Expr::Method(call) => {
            collect(&call.target, is_outer, places);
            call.args.dynamic().for_each(|it| collect(it, is_outer, places));
            call.args.queries().for_each(|it| collect(it, false, places));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    fn text(places: &[Place]) -> String {
        let one = |it: &Place| format!("{}{}", if it.is_metadata { "@" } else { "." }, it.path.join("."));
        places.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn check(mapping: &str, read: &str, assigned: &str) {
        let program = Program::parse(mapping, &Environment::default()).expect("it is a mapping");
        assert_eq!(
            (text(&program.read()).as_str(), text(&program.assigned()).as_str()),
            (read, assigned),
            "{mapping}"
        );
    }

    #[test]
    fn what_is_read_and_assigned_is_found() {
        check("root.a.b = this.c.d", ".c.d", ".a.b");
        check("root = this", ".", ".");
        check("meta x = @y + metadata(\"z\")\nmeta = deleted()", "@y @z", "@x @");
        check("let v = this.a\nroot.b = $v + json(\"c.d\")", ".a .c.d", ".b");
        check("root = if this.a > 1 { this.b } else { this.c }", ".a .b .c", ".");
        check("if this.a { root.b = this.c } else { root.d = 1 }", ".a .c", ".b .d");
        check("root = this.a.map_each(this.b).filter(x -> x.c)", ".a", ".");
        check("root = this.a.(this.b)", ".a", ".");
        check("root = match this.a { this.b => this.c, _ => @d }", ".a @d", ".");
        check("root = match { this.b => this.c }", ".b .c", ".");
        check("root = [this.a, {\"b\": this.c}].index(this.d)", ".a .c .d", ".");
        check("root = content().uppercase()", "", ".");
    }
}
