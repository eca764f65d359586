//! Mappings and documents at random give in Bento what they give here.
//!
//! Runs where `WAPPA_BENTO` names a Bento; else there is nothing to compare with, and that is said. `WAPPA_FUZZ_CASES` says
//! how many mappings are made, each of which gets three documents, and `WAPPA_FUZZ_SEED` where it begins.
//!
//! A process of Bento gets many mappings: `lint` says of each whether it can be read, or why not and where, and a stream
//! evaluates all that can. What `lint` passes over, namely what is wrong with literals that are calculated with, ends the
//! stream, which is tried again without.

#[path = "beside_bento/make.rs"]
mod make;
#[path = "support/random.rs"]
mod random;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use random::Random;
use serde_json::{Value as Json, json};
use wappa_bloblang::{Environment, ParseError, Program};
use wappa_message::{Message, Number, Value};

/// How many mappings are read by one process.
const MAPPINGS: usize = 150;

/// How many documents each mapping gets.
const DOCUMENTS: usize = 3;

/// How many lines of a config lie between two mappings: more than any of them has.
const LINES_APART: usize = 40;

/// How many differences are told in full.
const TOLD_MAX: usize = 40;

/// What is otherwise here on purpose: "coming from Bento" says why. What a mapping has in it, or what one of both says.
const MEANT: &[Meant] = &[
    // The order of names is any in Bento, and with it which of them fails first, and what a fold makes of them.
    Meant::Mapping("values("),
    Meant::Mapping("key_values("),
    Meant::Mapping("map_each_key("),
    // Numbers keep what they are written with.
    Meant::Mapping("parse_json("),
    Meant::Mapping("parse_jwt"),
    Meant::Mapping("format_yaml("),
    Meant::Mapping("format_msgpack("),
    Meant::Mapping("compress("),
    Meant::Mapping("sprintf"),
    Meant::Bento("%!"),
    // Numbers have two kinds here, which all but the names of types in errors hide.
    Meant::Bento("(uint32)"),
    Meant::Bento("(uint16)"),
    Meant::Bento("(uint8)"),
    Meant::Bento("(int32)"),
    Meant::Bento("(int16)"),
    Meant::Bento("(int8)"),
    Meant::Bento("(float32)"),
    // A number that no float can hold.
    Meant::Bento("unsupported value"),
    // What ends a mapping here, and Bento never.
    Meant::Wappa("the mapping takes more than"),
    Meant::Wappa("the mapping makes more than"),
];

/// A difference that is meant.
enum Meant {
    /// This stands in the mapping.
    Mapping(&'static str),
    /// Bento says this.
    Bento(&'static str),
    /// Wappa says this.
    Wappa(&'static str),
}

/// What comes of a mapping and a document.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Deleted,
    Failed(String),
    Mapped { content: String, metadata: Json },
}

#[test]
fn random_mappings_give_the_same_in_bento() {
    let Ok(bento) = std::env::var("WAPPA_BENTO") else {
        eprintln!("skipped: WAPPA_BENTO names no Bento");
        return;
    };
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let (n_cases, seed) = (number("WAPPA_FUZZ_CASES", 600), number("WAPPA_FUZZ_SEED", 1));
    let dir = std::env::temp_dir().join(format!("wappa-beside-bento-{}", std::process::id()));
    fs::create_dir(&dir).expect("a directory can be made");
    let mut found = Found::default();
    let mut n_left = n_cases as usize;
    let mut round = 0;
    while 0 < n_left {
        // Through the generator once, since the rounds would else be one row of numbers, each begun one later.
        let mut random = Random(Random(seed.wrapping_add(round)).next());
        let n = n_left.min(MAPPINGS);
        let mappings: Vec<String> = (0..n).map(|_| make::mapping(&mut random)).collect();
        let documents: Vec<Vec<String>> =
            (0..n).map(|_| (0..DOCUMENTS).map(|_| make::document(&mut random)).collect()).collect();
        Round { bento: &bento, dir: &dir, mappings, documents }.run(&mut found);
        n_left -= n;
        round += 1;
    }
    fs::remove_dir_all(&dir).expect("it can be removed");
    let Found { n_read, n_refused, n_pairs, n_failed, n_meant, problems } = found;
    eprintln!(
        "{n_read} mappings were read and {n_refused} refused by both; {n_pairs} pairs, of which {n_failed} fail; {n_meant} \
         differ as they are meant to, {} as they are not",
        problems.len()
    );
    let told: Vec<&str> = problems.iter().take(TOLD_MAX).map(String::as_str).collect();
    assert!(problems.is_empty(), "{} differ\n{}", problems.len(), told.join("\n"));
}

/// What was found so far.
#[derive(Default)]
struct Found {
    n_read: usize,
    n_refused: usize,
    n_pairs: usize,
    n_failed: usize,
    n_meant: usize,
    problems: Vec<String>,
}

impl Found {
    fn differs(&mut self, mapping: &str, document: &str, bento: &str, here: &str) {
        let is_meant = MEANT.iter().any(|it| match it {
            Meant::Mapping(part) => mapping.contains(part),
            Meant::Bento(part) => bento.contains(part),
            Meant::Wappa(part) => here.contains(part),
        });
        match is_meant {
            true => self.n_meant += 1,
            false => self
                .problems
                .push(format!("{mapping}\n  of    {document}\n  bento {bento}\n  here  {here}\n")),
        }
    }
}

/// Mappings and documents that are gone through at once.
struct Round<'a> {
    bento: &'a str,
    dir: &'a Path,
    mappings: Vec<String>,
    documents: Vec<Vec<String>>,
}

impl Round<'_> {
    fn run(&self, found: &mut Found) {
        let mut refused = self.refused();
        let unseen = self.unseen(&mut refused);
        let mut programs: Vec<Option<Program>> = Vec::new();
        for (idx, mapping) in self.mappings.iter().enumerate() {
            let read = Program::parse(mapping, &Environment::default());
            let here = read.as_ref().err().map(|err| err.text_with_found().trim_end().to_string());
            let bento = refused.get(&idx);
            match (bento, &here) {
                (None, None) => found.n_read += 1,
                (Some(_), Some(_)) if unseen.contains(&idx) => found.n_refused += 1,
                (Some(bento), Some(here)) if in_one_line(bento) == in_one_line(here) => found.n_refused += 1,
                // Bento's `lint` passes over what `blobl` names, and names what comes behind it.
                (Some(_), Some(_)) if read.as_ref().err().is_some_and(|it| self.is_said(mapping, it)) => {
                    found.n_refused += 1;
                }
                (bento, here) => {
                    let told = |it: Option<&String>| it.map_or("is read", String::as_str).to_string();
                    found.differs(mapping, "", &told(bento), &told(here.as_ref()));
                }
            }
            programs.push(read.ok().filter(|_| bento.is_none()));
        }
        let outcomes = self.outcomes(&|idx| programs[idx].is_some()).expect("bento has read all of them");
        for (idx, program) in programs.iter().enumerate() {
            let Some(program) = program else { continue };
            for (at, document) in self.documents[idx].iter().enumerate() {
                found.n_pairs += 1;
                let here = evaluated(program, document, (idx, at));
                let bento = outcomes.get(&(idx, at)).cloned().unwrap_or(Outcome::Deleted);
                found.n_failed += usize::from(matches!(here, Outcome::Failed(_)));
                if !is_same(&self.mappings[idx], &bento, &here) {
                    let (bento, here) = (format!("{bento:?}"), format!("{here:?}"));
                    found.differs(&self.mappings[idx], document, &bento, &here);
                }
            }
        }
    }

    /// Which mappings Bento cannot read, and why.
    fn refused(&self) -> BTreeMap<usize, String> {
        let mut text = String::from("pipeline:\n  processors:\n");
        for mapping in &self.mappings {
            // Bento adds the line in the mapping to that in the file.
            let apart = "\n".repeat(LINES_APART);
            write!(text, "    - mapping: {}{apart}", json!(mapping)).expect("it is written to memory");
        }
        let output = self.bento(&["lint"], &text, "");
        let mut refused = BTreeMap::new();
        let name = self.config().display().to_string();
        for line in output.split(&name).skip(1) {
            let Some((place, why)) = line.split_once(") ") else { continue };
            let Some(line) = place.trim_start_matches('(').split(',').next() else { continue };
            let Ok(line) = line.parse::<usize>() else { continue };
            refused.insert((line - 3) / LINES_APART, why.trim_end().to_string());
        }
        refused
    }

    /// Which of the others Bento cannot read either, although its `lint` says nothing of them.
    fn unseen(&self, refused: &mut BTreeMap<usize, String>) -> BTreeSet<usize> {
        let mut unseen = BTreeSet::new();
        for (idx, mapping) in self.mappings.iter().enumerate() {
            if refused.contains_key(&idx) || Program::parse(mapping, &Environment::default()).is_ok() {
                continue;
            }
            // It alone, so that a stream of all the others is not begun anew for each.
            if let Some(why) = self.blobl(mapping) {
                refused.insert(idx, why);
                unseen.insert(idx);
            }
        }
        while let Err(said) = self.outcomes(&|idx| !refused.contains_key(&idx)) {
            let place = said.split_once("case '").and_then(|it| it.1.split_once('\''));
            let place = place
                .and_then(|it| it.0.parse::<usize>().ok())
                .unwrap_or_else(|| panic!("bento says {said}"));
            let mut all = (0..self.mappings.len()).filter(|idx| !refused.contains_key(idx));
            let idx = all.nth(place).expect("there is one");
            let why = said.split_once("failed to parse bloblang mapping '': ").map_or("", |it| it.1);
            refused.insert(idx, why.to_string());
            unseen.insert(idx);
        }
        unseen
    }

    /// Why Bento's `blobl` cannot read this mapping, if it cannot.
    fn blobl(&self, mapping: &str) -> Option<String> {
        let said = self.bento(&["blobl", mapping], "", "");
        said.split_once("failed to parse mapping: ").map(|it| it.1.to_string())
    }

    /// Whether Bento's `blobl` says of this mapping what is said here.
    fn is_said(&self, mapping: &str, error: &ParseError) -> bool {
        let why = self.blobl(mapping).unwrap_or_default();
        let without_place = why.split_once(": ").map_or("", |it| it.1);
        without_place.lines().next().unwrap_or_default().trim_end() == error.text().trim_end()
    }

    /// What Bento makes of the documents of these mappings; those that are deleted are none. Or what it says instead.
    fn outcomes(&self, is_read: &dyn Fn(usize) -> bool) -> Result<BTreeMap<(usize, usize), Outcome>, String> {
        let mut input = String::new();
        for (idx, documents) in self.documents.iter().enumerate().filter(|it| is_read(it.0)) {
            for (at, document) in documents.iter().enumerate() {
                writeln!(input, "{}", json!({"idx": idx, "at": at, "text": document}))
                    .expect("it is written to memory");
            }
        }
        let mut text = String::from(
            "http: { enabled: false }\nlogger: { level: ERROR }\ninput:\n  stdin: {}\npipeline:\n  threads: 1\n  \
             processors:\n    - mapping: |\n        meta idx = this.idx\n        meta at = this.at\n        root = \
             this.text\n    - switch:\n",
        );
        for (idx, mapping) in self.mappings.iter().enumerate().filter(|it| is_read(it.0)) {
            writeln!(
                text,
                "      - check: '@idx == {idx}'\n        processors: [{{ mapping: {} }}]",
                json!(format!("{mapping}\n"))
            )
            .expect("it is written to memory");
        }
        let output = self.dir.join("output");
        _ = fs::remove_file(&output);
        write!(
            text,
            "    - mapping: |\n        root.idx = metadata(\"idx\")\n        root.at = metadata(\"at\")\n        root.why = error()\n        \
             root.content = content().string()\n        root.metadata = @\n\
             output:\n  file: {{ path: {:?}, codec: lines }}\n",
            output.display().to_string(),
        )
        .expect("it is written to memory");
        let said = self.bento(&["-c"], &text, &input);
        let Ok(lines) = fs::read_to_string(&output) else { return Err(said) };
        let mut outcomes = BTreeMap::new();
        for line in lines.lines() {
            let line: Json = serde_json::from_str(line)
                .unwrap_or_else(|err| panic!("{err} in what bento wrote: {line:?}"));
            let number = |name: &str| line[name].as_u64().expect("it is a number") as usize;
            let outcome = match line["why"].as_str() {
                Some(why) => Outcome::Failed(why.to_string()),
                None => Outcome::Mapped {
                    content: line["content"].as_str().expect("it is a text").to_string(),
                    metadata: line["metadata"].clone(),
                },
            };
            outcomes.insert((number("idx"), number("at")), outcome);
        }
        Ok(outcomes)
    }

    fn config(&self) -> PathBuf {
        self.dir.join("config.yaml")
    }

    fn bento(&self, args: &[&str], config: &str, input: &str) -> String {
        let (path, path_of_input) = (self.config(), self.dir.join("input"));
        fs::write(&path, config).expect("it can be written");
        fs::write(&path_of_input, input).expect("it can be written");
        let stdin = fs::File::open(&path_of_input).expect("it was written");
        // `blobl` takes a mapping and no file.
        let file = if args[0] == "blobl" { None } else { Some(&path) };
        let output = Command::new(self.bento).args(args).args(file).env("TZ", "UTC").stdin(stdin).output();
        let output = output.unwrap_or_else(|err| panic!("{} starts: {err}", self.bento));
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

fn evaluated(program: &Program, document: &str, (idx, at): (usize, usize)) -> Outcome {
    let mut batch = [Message::new(document.to_string())];
    // What Bento finds its way by.
    for (key, number) in [("idx", idx), ("at", at)] {
        let number = Number::parse(&number.to_string()).expect("it is a number");
        batch[0].metadata_mut().set(key, Value::Number(number));
    }
    match program.map(&mut batch, 0) {
        Err(failure) => Outcome::Failed(failure.to_string()),
        Ok(mapped) => match mapped.apply(&mut batch[0]) {
            false => Outcome::Deleted,
            true => {
                let metadata = batch[0].metadata();
                let metadata = metadata.iter().map(|(key, value)| {
                    let value = serde_json::from_slice(&value.to_json_bytes()).unwrap_or(Json::Null);
                    (String::from_utf8_lossy(key).into_owned(), value)
                });
                let metadata = Json::Object(metadata.collect());
                let content = String::from_utf8_lossy(batch[0].content()).into_owned();
                Outcome::Mapped { content, metadata }
            }
        },
    }
}

/// What a lint says as far as it fits on one line: Bento shows the characters that stand there, ends of lines too, and
/// what is here says so in words.
fn in_one_line(lint: &str) -> String {
    let line = lint.lines().next().unwrap_or_default();
    let line = line.trim_end().trim_end_matches(':');
    line.trim_end_matches("end of line").trim_end().trim_end_matches(", got:").to_string()
}

/// The same without the number of the line, which Bento gets wrong behind a text beyond ASCII.
fn without_line(why: &str) -> String {
    let Some((before, behind)) = why.split_once("(line ") else { return why.to_string() };
    let behind = behind.trim_start_matches(|it: char| it.is_ascii_digit());
    format!("{before}(line {behind}")
}

/// Whether both say the same; contents that are JSON are compared as JSON.
fn is_same(mapping: &str, bento: &Outcome, here: &Outcome) -> bool {
    match (bento, here) {
        (
            Outcome::Mapped { content: one, metadata: metadata_of_one },
            Outcome::Mapped { content: other, metadata: metadata_of_other },
        ) => {
            let json = |text: &str| serde_json::from_str::<Json>(text).ok();
            let is_same = one == other || (json(one).is_some() && json(one) == json(other));
            is_same && metadata_of_one == metadata_of_other
        }
        (Outcome::Failed(one), Outcome::Failed(other)) if !mapping.is_ascii() => {
            without_line(one) == without_line(other)
        }
        _ => bento == here,
    }
}
