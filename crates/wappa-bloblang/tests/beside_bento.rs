//! Mappings and documents at random give in Bento what they give here.
//!
//! Runs where `WAPPA_BENTO` names a Bento; else there is nothing to compare with, and that is said. `WAPPA_FUZZ_CASES` says
//! how many mappings are made, each of which gets five documents, and `WAPPA_FUZZ_SEED` where it begins.
//!
//! A process of Bento gets many mappings: its playground says of each whether it can be read, or why not and where, its
//! `lint` the same in its own words, and a stream evaluates all that can.

#[path = "beside_bento/make.rs"]
mod make;
#[path = "beside_bento/playground.rs"]
mod playground;
#[path = "support/random.rs"]
mod random;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use playground::{Panicked, Playground};
use random::Random;
use serde_json::{Value as Json, json};
use wappa_bloblang::{Environment, ParseError, Program};
use wappa_message::{Message, Number, Value};

/// How many mappings are read by one process.
const MAPPINGS: usize = 250;

/// How many documents each mapping gets.
const DOCUMENTS: usize = 5;

/// How many lines of a config lie between two mappings: more than any of them has.
const LINES_APART: usize = 40;

/// How many mappings that differ are told in full.
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
    Meant::Mapping(".float32()"),
    Meant::Bento("(json.Number)"),
    Meant::Bento("(int)"),
    Meant::Bento("expected number value, got number"),
    Meant::Bento("expected number or integer value, got number"),
    // Among the elements of an object, which are in any order in Bento, another one is the first that fails.
    Meant::All("map_each(", "failed to process element"),
    // An empty list that a mapping writes is printed as `null` within a text.
    Meant::All("[]", "null"),
    Meant::All("[].bytes()", "bnVsbA=="),
    Meant::All("([]).bytes()", "bnVsbA=="),
    // It takes the numbers of a document.
    Meant::Mapping("cosine_similarity("),
    // The last digit.
    Meant::Mapping(".sin()"),
    Meant::Mapping(".cos()"),
    Meant::Mapping(".tan()"),
    Meant::Mapping(".pow("),
    Meant::Mapping(".log10()"),
    // What is empty in the document that `collapse` gives, as Go prints it.
    Meant::Bento("map[:{}]"),
    // Times that no calendar has, of numbers beyond 64 bits and of those that are none.
    Meant::Bento("292277026596"),
    // A variable of Bento's changes with the document that it was made of.
    Meant::Mapping("= root\n"),
    // `deleted()` and `nothing()` are no values that a list holds or that something is compared with.
    Meant::Word("deleted()"),
    Meant::Word("nothing()"),
    Meant::Word("root"),
    // Bento compares numbers of a document as texts.
    Meant::Mapping("json_path("),
    // A number that no float can hold.
    Meant::Bento("unsupported value"),
    Meant::Bento(r#"Mapped { content: "","#),
    Meant::Bento("no JSON holds them"),
    // What ends a mapping here, and Bento never.
    Meant::Wappa("the mapping takes more than"),
    Meant::Wappa("the mapping makes more than"),
];

/// Methods to which a word that is no value is `null`.
const TAKE_WORDS: &[&str] = &[
    "fold(",
    "find(",
    "find_all(",
    "contains(",
    "without(",
    "with(",
    "split(",
    "zip(",
    "sort_by(",
    "format(",
];

/// A difference that is meant.
enum Meant {
    /// This stands in the mapping.
    Mapping(&'static str),
    /// Bento says this.
    Bento(&'static str),
    /// This stands in the mapping, and Bento says that.
    All(&'static str, &'static str),
    /// This stands in the mapping, which may be no value, and beside it a method that takes it for one.
    Word(&'static str),
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
    let mut playground = Playground::start(&bento);
    let mut found = Found::default();
    let mut n_left = n_cases as usize;
    let mut round = 0;
    while 0 < n_left {
        // Through the generator once, since the rounds would else be one row of numbers, each begun one later.
        let mut random = Random(Random(seed.wrapping_add(round)).next());
        let n = n_left.min(MAPPINGS);
        let mut cases = Vec::new();
        for _ in 0..n {
            let (mapping, documents) = make::mapping_with(&mut random, DOCUMENTS);
            let program = Program::parse(&mapping, &Environment::default());
            match playground.refusal(&mapping) {
                Ok(refusal) => cases.push(Case { mapping, documents, program, refusal }),
                // Nothing is compared; what it is here ends all the same.
                Err(Panicked) => {
                    found.n_panics += 1;
                    if let Ok(program) = program {
                        documents.iter().for_each(|it| _ = evaluated(&program, it, (0, 0)));
                    }
                }
            }
        }
        Round { bento: &bento, dir: &dir, cases }.run(&mut found);
        n_left -= n;
        round += 1;
    }
    fs::remove_dir_all(&dir).expect("it can be removed");
    let Found { n_read, n_refused, n_pairs, n_failed, n_meant, n_panics, n_not_meant, problems } = found;
    eprintln!(
        "{n_read} mappings were read and {n_refused} refused by both; {n_pairs} pairs, of which {n_failed} fail; {n_meant} \
         differ as they are meant to, {n_not_meant} of {} mappings as they are not; Bento panics at {n_panics} mappings",
        problems.len()
    );
    let told: Vec<&str> = problems.iter().take(TOLD_MAX).map(|it| it.1.as_str()).collect();
    assert!(problems.is_empty(), "{} mappings differ\n{}", problems.len(), told.join("\n"));
}

/// What was found so far.
#[derive(Default)]
struct Found {
    n_read: usize,
    n_refused: usize,
    n_pairs: usize,
    n_failed: usize,
    n_meant: usize,
    n_panics: usize,
    n_not_meant: usize,
    /// Mappings, and what is told of them.
    problems: Vec<(String, String)>,
}

impl Found {
    fn differs(&mut self, mapping: &str, document: &str, bento: &str, here: &str) {
        let is_meant = MEANT.iter().any(|it| match it {
            Meant::Mapping(part) => mapping.contains(part),
            Meant::Bento(part) => bento.contains(part),
            Meant::All(part, said) => mapping.contains(part) && bento.contains(said),
            Meant::Word(word) => mapping.contains(word) && TAKE_WORDS.iter().any(|it| mapping.contains(it)),
            Meant::Wappa(part) => here.contains(part),
        });
        if is_meant {
            self.n_meant += 1;
            return;
        }
        self.n_not_meant += 1;
        // One document of a mapping tells what is wrong with it.
        if self.problems.last().is_none_or(|it| it.0 != mapping) {
            let text = format!("{mapping}\n  of    {document}\n  bento {bento}\n  here  {here}\n");
            self.problems.push((mapping.to_string(), text));
        }
    }
}

/// A mapping, its documents, and what comes of reading it here and in Bento.
struct Case {
    mapping: String,
    documents: Vec<String>,
    program: Result<Program, ParseError>,
    refusal: Option<String>,
}

/// Mappings and documents that are gone through at once.
struct Round<'a> {
    bento: &'a str,
    dir: &'a Path,
    cases: Vec<Case>,
}

impl Round<'_> {
    fn run(&self, found: &mut Found) {
        let linted = self.linted();
        for (idx, Case { mapping, program, refusal, .. }) in self.cases.iter().enumerate() {
            let lint = linted.get(&idx).map(String::as_str);
            match (refusal, program) {
                (None, Ok(_)) if lint.is_none() => found.n_read += 1,
                (Some(bento), Err(here)) if is_same_refusal(mapping, bento, lint, here) => {
                    found.n_refused += 1;
                }
                (bento, here) => {
                    let bento = bento.as_deref().unwrap_or("is read");
                    let bento = format!("{bento}, and lints {}", lint.unwrap_or("nothing"));
                    let here = here.as_ref().map_or_else(
                        |it| format!("{it}, and lints {}", it.text_with_found().trim_end()),
                        |_| "is read".to_string(),
                    );
                    found.differs(mapping, "", &bento, &here);
                }
            }
        }
        let is_read = |idx: &usize| self.cases[*idx].refusal.is_none() && self.cases[*idx].program.is_ok();
        let all: Vec<usize> = (0..self.cases.len()).filter(is_read).collect();
        let outcomes = self.outcomes(&all);
        for idx in all {
            let Case { mapping, documents, program: Ok(program), .. } = &self.cases[idx] else { continue };
            for (at, document) in documents.iter().enumerate() {
                let here = evaluated(program, document, (idx, at));
                let Some(outcomes) = &outcomes[&idx] else { continue };
                found.n_pairs += 1;
                let bento = outcomes.get(&at).cloned().unwrap_or(Outcome::Deleted);
                found.n_failed += usize::from(matches!(here, Outcome::Failed(_)));
                if !is_same(mapping, &bento, &here) {
                    let (bento, here) = (format!("{bento:?}"), format!("{here:?}"));
                    found.differs(mapping, document, &bento, &here);
                }
            }
            found.n_panics += usize::from(outcomes[&idx].is_none());
        }
    }

    /// Which mappings Bento's `lint` finds something in, and what.
    fn linted(&self) -> BTreeMap<usize, String> {
        let mut text = String::from("pipeline:\n  processors:\n");
        for Case { mapping, .. } in &self.cases {
            // Bento adds the line in the mapping to that in the file.
            let apart = "\n".repeat(LINES_APART);
            write!(text, "    - mapping: {}{apart}", json!(mapping)).expect("it is written to memory");
        }
        let output = self.bento(&["lint"], &text, "");
        let mut linted = BTreeMap::new();
        let name = self.config().display().to_string();
        for line in output.split(&name).skip(1) {
            let Some((place, why)) = line.split_once(") ") else { continue };
            let Some(line) = place.trim_start_matches('(').split(',').next() else { continue };
            let Ok(line) = line.parse::<usize>() else { continue };
            linted.insert((line - 3) / LINES_APART, why.trim_end().to_string());
        }
        linted
    }

    /// What Bento makes of the documents of these mappings; those that are deleted are none, and neither are mappings at
    /// which it panics.
    fn outcomes(&self, all: &[usize]) -> BTreeMap<usize, Option<BTreeMap<usize, Outcome>>> {
        match (self.outcomes_if_all_end(all), all) {
            (Ok(outcomes), _) => outcomes.into_iter().map(|(idx, it)| (idx, Some(it))).collect(),
            (Err(Panicked), [idx]) => BTreeMap::from([(*idx, None)]),
            (Err(Panicked), all) => {
                let (one, other) = all.split_at(all.len() / 2);
                self.outcomes(one).into_iter().chain(self.outcomes(other)).collect()
            }
        }
    }

    fn outcomes_if_all_end(
        &self,
        all: &[usize],
    ) -> Result<BTreeMap<usize, BTreeMap<usize, Outcome>>, Panicked> {
        let mut input = String::new();
        for idx in all {
            for (at, document) in self.cases[*idx].documents.iter().enumerate() {
                writeln!(input, "{}", json!({"idx": idx, "at": at, "text": document}))
                    .expect("it is written to memory");
            }
        }
        let mut text = String::from(
            "http: { enabled: false }\nlogger: { level: NONE }\ninput:\n  stdin: {}\npipeline:\n  threads: 1\n  \
             processors:\n    - mapping: |\n        meta idx = this.idx\n        meta at = this.at\n        root = \
             this.text\n    - switch:\n",
        );
        for idx in all {
            writeln!(
                text,
                "      - check: '@idx == {idx}'\n        processors: [{{ mapping: {} }}]",
                json!(format!("{}\n", self.cases[*idx].mapping))
            )
            .expect("it is written to memory");
        }
        let output = self.dir.join("output");
        _ = fs::remove_file(&output);
        write!(
            text,
            "    - mapping: |\n        root.idx = metadata(\"idx\")\n        root.at = metadata(\"at\")\n        root.why = error()\n        \
             root.content = content().string()\n        root.metadata = if @.format_json().catch(null) == null {{ \"no JSON holds them\" }} else {{ @ }}\n\
             output:\n  file: {{ path: {:?}, codec: lines }}\n",
            output.display().to_string(),
        )
        .expect("it is written to memory");
        let said = self.bento(&["-c"], &text, &input);
        if said.contains("\ngoroutine ") {
            return Err(Panicked);
        }
        let lines = fs::read_to_string(&output).unwrap_or_else(|_| panic!("bento says {said}"));
        let mut outcomes: BTreeMap<usize, BTreeMap<usize, Outcome>> =
            all.iter().map(|idx| (*idx, BTreeMap::new())).collect();
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
            outcomes.entry(number("idx")).or_default().insert(number("at"), outcome);
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
        let output = Command::new(self.bento).args(args).arg(&path).env("TZ", "UTC").stdin(stdin).output();
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

/// Whether Bento refuses a mapping as it is refused here. Its `lint` passes over some of what is wrong with literals that
/// are calculated with, and then says nothing, or what comes behind that.
fn is_same_refusal(mapping: &str, bento: &str, lint: Option<&str>, here: &ParseError) -> bool {
    let told = here.to_string();
    let is_said = match mapping.is_ascii() {
        true => bento == told.trim_end(),
        false => without_places(bento) == without_places(told.trim_end()),
    };
    let lint = lint.filter(|it| it.starts_with(here.text().trim_end()));
    is_said && lint.is_none_or(|it| in_one_line(it) == in_one_line(&here.text_with_found()))
}

/// What a lint says as far as it fits on one line: Bento shows the characters that stand there, ends of lines too, and
/// what is here says so in words.
fn in_one_line(lint: &str) -> String {
    let line = lint.lines().next().unwrap_or_default();
    let line = line.trim_end().trim_end_matches("end of line").trim_end();
    line.trim_end_matches(':').trim_end_matches(", got").to_string()
}

/// The same without the numbers of lines and characters, which Bento gets wrong behind a text beyond ASCII.
fn without_places(why: &str) -> String {
    let mut out = String::new();
    let mut rest = why;
    while let Some(at) =
        ["(line ", "line ", " char "].iter().filter_map(|it| Some(rest.find(it)? + it.len())).min()
    {
        out.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches(|it: char| it.is_ascii_digit());
    }
    out + rest
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
            without_places(one) == without_places(other)
        }
        // Go has a sign for each byte that is no text, and Rust one for several.
        (Outcome::Failed(one), Outcome::Failed(other)) if one.contains('\u{fffd}') => {
            let signs = |it: &str| {
                it.split('\u{fffd}').filter(|it| !it.is_empty()).collect::<Vec<_>>().join("\u{fffd}")
            };
            signs(one) == signs(other)
        }
        _ => bento == here,
    }
}
