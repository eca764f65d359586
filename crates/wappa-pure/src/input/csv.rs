//! The input `csv`.

use wappa_bloblang::csv::Syntax;
use wappa_component::{BuildError, BuildInput, Component, Context, Input};
use wappa_spec::{Config, Node, Reader, Rule};

use super::file::{Files, FilesConfig};
use crate::scanner::{Csv, Note, OnError, Width, csv_syntax, lint_rows};

pub(super) const COMPONENT: Component = Component::input::<CsvConfig>("csv").categories(&["Local"]).reaching_machine();

/// Reads rows of comma-separated values from files, one file after the other.
///
/// With a header row a message is an object of its names, else it is a list; all values are texts.
/// A row may go on over several lines, where a value in quotes has line feeds in it; empty lines are no rows.
/// A row may have fewer values than there are names; one with more becomes a list, unless `expected_number_of_fields` says
/// that it is none.
///
/// Paths may be patterns, as those of the input [`file`](file.md).
/// Messages get the metadata `path`, `mod_time_unix` (a number), `mod_time` (RFC 3339), and, with a header row, `header`: the
/// list of its names, in order.
///
/// # Examples
///
/// ### A column of every table
///
/// ```yaml
/// input:
///   csv:
///     paths: [ ./tables/*.csv ]
/// pipeline:
///   processors:
///     - mapping: root = this.name
/// output:
///   stdout: {}
/// ```
///
/// ### Semicolons, and batches of a hundred
///
/// ```yaml
/// input:
///   csv:
///     paths: [ ./tables/*.csv ]
///     delimiter: ;
///     batch_count: 100
/// output:
///   stdout: {}
/// ```
///
/// # Delivery
///
/// As of the input [`file`](file.md): what fails is delivered again from memory, and with `delete_on_finish` a file is
/// deleted as soon as all of it has arrived.
/// A batch has rows of one file only.
///
/// # Errors
///
/// A row that is none is left out: an error says in which line it is, the rows behind it are read, the file is not deleted,
/// and the process exits with 1 at its end.
/// A header row that is none, or has other names than it should, ends its file.
///
/// # Performance
///
/// Rows are found where the file is read; their values are taken apart by whoever has the messages, on any thread.
///
/// # Pitfalls
///
/// A quote that is never closed makes a row of everything behind it: a row has at most 64MiB.
#[derive(Config, Debug)]
#[config(lint = lint)]
struct CsvConfig {
    /// The files to read, as paths or patterns.
    #[config(example = "[ /tmp/foo.csv, /tmp/bar/*.csv, /tmp/data/**/*.csv ]")]
    paths: Vec<String>,

    /// Whether the first row of a file has the names of the values.
    #[config(default = "true")]
    parse_header_row: bool,

    /// The character between two values.
    #[config(default = "','")]
    delimiter: String,

    /// Whether a quote may stand within a value that is not quoted, and alone within one that is.
    #[config(default = "false")]
    lazy_quotes: bool,

    /// Whether a file is deleted once all its messages have arrived.
    #[config(default = "false", advanced)]
    delete_on_finish: bool,

    /// How many rows make a batch; what is left at the end of a file is a batch too.
    #[config(default = "1", advanced)]
    batch_count: i64,

    /// Whether messages that fail are delivered again; without it they are lost.
    #[config(default = "true")]
    auto_replay_nacks: bool,

    /// The names that the header row must have.
    #[config(optional, example = "[ first_name, last_name, age ]")]
    expected_headers: Option<Vec<String>>,

    /// How many values a row must have.
    #[config(optional)]
    expected_number_of_fields: Option<i64>,
}

const NO_BATCH: &str = "batch_count must be at least 1";

impl CsvConfig {
    fn syntax(&self) -> Result<Syntax, String> {
        match self.delimiter.chars().count() {
            1 => csv_syntax(&self.delimiter, self.lazy_quotes),
            _ => Err("delimiter value must be exactly one character".to_string()),
        }
    }
}

fn lint(config: &CsvConfig, node: &Node, reader: &mut Reader<'_>) {
    lint_rows(config.parse_header_row, config.expected_headers.is_some(), config.expected_number_of_fields, node, reader);
    if let Err(text) = config.syntax() {
        reader.error(Rule::InvalidValue, node.get("delimiter").unwrap_or(node), text);
    }
    if config.batch_count < 1 {
        reader.error(Rule::InvalidValue, node.get("batch_count").unwrap_or(node), NO_BATCH);
    }
}

impl BuildInput for CsvConfig {
    fn build(self, ctx: &mut Context<'_>) -> Result<Box<dyn Input>, BuildError> {
        let syntax = self.syntax().map_err(BuildError::new)?;
        let batch_count = usize::try_from(self.batch_count).unwrap_or(0);
        if batch_count == 0 {
            return Err(BuildError::new(NO_BATCH));
        }
        let rows = Csv {
            syntax,
            has_header: self.parse_header_row,
            expected_headers: self.expected_headers,
            width: self.expected_number_of_fields.map_or(Width::Any, Width::of),
            on_error: OnError::Skip,
            note: Note::Header,
        };
        let CsvConfig { paths, delete_on_finish, auto_replay_nacks, .. } = self;
        let config = FilesConfig { paths, delete_on_finish, auto_replay_nacks };
        Ok(Box::new(Files::new(config, Box::new(rows), batch_count, ctx)?))
    }
}

#[cfg(test)]
mod tests {
    use crate::test::{Harness, TempDir, check_lint};

    fn read(dir: &TempDir, fields: &str) -> String {
        let mut harness = Harness::default();
        let path = dir.path().display().to_string();
        let mut input = harness.input(&format!("csv: {{paths: ['{path}/*.csv'], {fields}}}"));
        let read = harness.read_all(input.as_mut());
        read.replace(&path, "DIR").replace("\\\"", "\"")
    }

    #[test]
    fn rows_of_files() {
        let dir = TempDir::new();
        dir.write("a.csv", "n,m\n1,2\n3\n4,5,6\n\"q\"z\n7,8");
        dir.write("b.csv", "");
        dir.write("c.csv", "x\ny\n");
        let quote = "parse error on line 5, column 3: extraneous or missing \" in quoted-field";
        let failed = format!("source failed: read DIR/a.csv: at byte 16: {quote}\n");
        let one = "{\"m\":\"2\",\"n\":\"1\"}";
        assert_eq!(
            read(&dir, ""),
            format!("{one}\n{{\"n\":\"3\"}}\n[\"4\",\"5\",\"6\"]\n{failed}{{\"m\":\"8\",\"n\":\"7\"}}\n{{\"x\":\"y\"}}\nend\n")
        );
        assert_eq!(
            read(&dir, "batch_count: 2"),
            format!(
                "{one}|{{\"n\":\"3\"}}\n[\"4\",\"5\",\"6\"]\n{failed}{{\"m\":\"8\",\"n\":\"7\"}}\n{{\"x\":\"y\"}}\nend\n"
            )
        );
        let wrong = |line: usize, at: usize| {
            format!("source failed: read DIR/a.csv: at byte {at}: record on line {line}: wrong number of fields\n")
        };
        let c = "source failed: read DIR/c.csv: at byte 0: record on line 1: wrong number of fields\n";
        assert_eq!(
            read(&dir, "expected_number_of_fields: 2"),
            format!("{one}\n{}{}{failed}{{\"m\":\"8\",\"n\":\"7\"}}\n{c}end\n", wrong(3, 8), wrong(4, 10))
        );
        let c = "source failed: read DIR/c.csv: at byte 0: expected_headers don't match file contents\n";
        assert_eq!(
            read(&dir, "lazy_quotes: true, expected_headers: [n, m], batch_count: 1000"),
            format!("{one}|{{\"n\":\"3\"}}|[\"4\",\"5\",\"6\"]|{{\"n\":\"q\\\\\"z\\\\n7,8\"}}\n{c}end\n")
        );
    }

    #[test]
    fn batches_go_over_parcels() {
        let dir = TempDir::new();
        let rows: String = (0..1000).map(|it| format!("{it}\n")).collect();
        dir.write("a.csv", &rows);
        let read = read(&dir, "parse_header_row: false, batch_count: 300");
        let sizes: Vec<usize> = read.lines().map(|it| it.split('|').count()).collect();
        assert_eq!(sizes, [300, 300, 300, 100, 1]);
        let expected: Vec<String> = (0..1000).map(|it| format!("[\"{it}\"]")).collect();
        assert_eq!(read.replace(['|', '\n'], " "), expected.join(" ") + " end ");
    }

    #[test]
    fn a_file_is_deleted_once_all_of_it_has_arrived() {
        let dir = TempDir::new();
        let (good, bad) = (dir.write("a.csv", "n\n1\n2\n3\n"), dir.write("b.csv", "n\n\"1\"x\n2\n"));
        let mut harness = Harness::default();
        let config = format!("csv: {{paths: [{good}, {bad}], batch_count: 2, delete_on_finish: true}}");
        let mut input = harness.input(&config);
        let (part, first) = harness.read_part(input.as_mut()).expect("two rows");
        assert_eq!(part.n_messages(), 2);
        assert_eq!(harness.read(input.as_mut()), "{\\\"n\\\":\\\"3\\\"}\n");
        assert!(harness.read(input.as_mut()).starts_with("source failed: "));
        assert_eq!(harness.read(input.as_mut()), "{\\\"n\\\":\\\"2\\\"}\n");
        assert!(std::path::Path::new(&good).exists());
        first.delivered();
        assert_eq!(harness.read(input.as_mut()), "end\n");
        assert_eq!([&good, &bad].map(|it| std::path::Path::new(it).exists()), [false, true]);
    }

    #[test]
    fn mistakes() {
        let lint = |fields: &str, expected: &str| {
            check_lint(&format!("input:\n  csv: {{paths: [a], {fields}}}\n"), expected);
        };
        check_lint("restricted: true\ninput:\n  csv: {paths: [a]}\n", "(3,1) input csv is not allowed in a restricted config\n");
        lint("delimiter: ab", "(2,1) delimiter value must be exactly one character\n");
        lint("delimiter: ''", "(2,1) delimiter value must be exactly one character\n");
        lint("batch_count: 0", "(2,1) batch_count must be at least 1\n");
        lint("expected_number_of_fields: 0", "(2,1) expected_number_of_fields must be at least 1\n");
        lint(
            "expected_headers: [a], parse_header_row: false",
            "(2,1) expected_headers is set but parse_header_row is false\n",
        );
    }
}
