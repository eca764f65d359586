//! The README and the guides: configs in them are clean, guests in them are what they say, commands in them print what
//! they say, tests that they name are there, and links lead somewhere.
//!
//! A fence marked `yaml` is a whole config; parts of one, and configs with mistakes, are marked `yml`. A fence marked
//! `wat`, `yaml` or `blobl` whose first line is a comment with a file's name stands for that file. In one marked `console`, lines
//! that begin with `$` are commands, and what follows is what they print; a file that `lint` looks at and that is no
//! such fence is the last `yml` one.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
};

#[path = "../benches/picture.rs"]
mod picture;
mod support;

use support::{Program, shell, wait, without_duration, without_times};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// The README and the guides beside the generated reference: paths from the root, and texts.
fn guides() -> Vec<(String, String)> {
    let in_folder = |folder: &str| {
        let files = fs::read_dir(root().join(folder)).expect("there are guides").flatten();
        files.map(|it| format!("{folder}/{}", it.file_name().display())).collect::<Vec<_>>()
    };
    let all = ["docs", "docs/guests", "docs/servers"].into_iter().flat_map(in_folder);
    let mut paths: Vec<String> = all.filter(|it| it.ends_with(".md")).collect();
    paths.extend(["README.md", "ARCHITECTURE.md", "SECURITY.md"].map(String::from));
    paths.sort();
    let text = |path: &str| fs::read_to_string(root().join(path)).expect("a guide can be read");
    paths.into_iter().map(|it| (text(&it), it)).map(|(text, path)| (path, text)).collect()
}

/// The pages of the reference with their names.
fn reference() -> Vec<(String, String)> {
    let pages = wappa::reference::pages();
    pages.into_iter().map(|(path, text)| (format!("docs/reference/{path}"), text)).collect()
}

/// What is in the fences of a text, each with its mark. Contents end with a line feed.
fn fences(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut open = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        if let Some(mark) = line.strip_prefix("```") {
            match open.take() {
                None => open = Some((mark.trim_end(), at)),
                Some((mark, from)) => found.push((mark, &text[from..begin])),
            }
        }
    }
    found
}

/// The name of the file that a fence stands for.
fn file_of((mark, content): (&str, &str)) -> Option<String> {
    let first = content.lines().next().unwrap_or_default().trim_start_matches([';', '#', ' ']);
    let name = first.split([':', ' ']).next().unwrap_or_default();
    (["wat", "yaml", "blobl"].contains(&mark) && name.ends_with(&format!(".{mark}")))
        .then(|| name.to_string())
}

/// The name and content of each file that a guide tells its reader to write.
fn files(text: &str) -> Vec<(String, String)> {
    let file = |fence: (&str, &str)| Some((file_of(fence)?, fence.1.to_string()));
    fences(text).into_iter().filter_map(file).collect()
}

/// A folder with the examples and the files of a guide.
fn folder(name: &str, text: &str) -> Program {
    let program = Program::new(name);
    std::os::unix::fs::symlink(root().join("examples"), program.dir().join("examples"))
        .expect("a link can be made");
    files(text).into_iter().fold(program, |program, (name, content)| program.file(&name, content))
}

/// All files of Rust below a folder: the stem of each name, or that of its folder for `main.rs`, and its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("it is a folder").flatten().map(|it| it.path());
    let of_entry = |path: PathBuf| match path.extension() {
        None if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => {
            let stem = path.file_stem().expect("it has a name").display().to_string();
            vec![(stem, fs::read_to_string(&path).expect("a source can be read"))]
        }
        _ => Vec::new(),
    };
    entries.flat_map(of_entry).collect()
}

#[test]
fn each_limit_is_shown_by_a_test_that_is_there() {
    let text =
        fs::read_to_string(root().join("docs/guests/what-a-guest-can-do.md")).expect("the page is there");
    let sources = sources(&root().join("crates"));
    let tables = text.lines().filter(|it| it.starts_with('|') && !it.starts_with("| ---"));
    let rows: Vec<&str> = tables.filter(|it| !it.ends_with("| shown by |")).collect();
    assert!(10 < rows.len(), "the table is not where it was");
    for row in rows {
        let shown_by = row.trim_end_matches('|').rsplit('|').next().expect("a row has cells");
        let tests: Vec<&str> = shown_by.split('`').filter(|it| it.contains("::")).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let (path, name) = test.rsplit_once("::").expect("it was just looked at");
            let file = path.rsplit("::").next().expect("a text has a last piece");
            let is_there =
                |(stem, text): &(String, String)| stem == file && text.contains(&format!("fn {name}("));
            assert!(sources.iter().any(is_there), "there is no test `{test}`");
        }
    }
}

#[test]
fn configs_are_clean() {
    let guides = guides();
    let all: String = guides.iter().map(|(_, text)| text.as_str()).collect();
    let mut program = folder("guides", &all);
    for (path, text) in &guides {
        program = program.file(path, text);
    }
    let mut arguments = vec!["lint", "--deprecated"];
    arguments.extend(guides.iter().map(|(path, _)| path.as_str()));
    let ended = program.run(&arguments);
    assert!(ended.code == Some(0) && ended.stdout.is_empty(), "{ended}");
}

#[test]
fn guests_are_guests() {
    for (path, text) in guides() {
        for (name, content) in files(&text).into_iter().filter(|it| it.0.ends_with(".wat")) {
            let ended = Program::new(&format!("guides-{name}")).file(&name, content).run(&["inspect", &name]);
            assert!(ended.stdout.ends_with("no problems\n"), "{path}: {name}\n{ended}");
        }
    }
}

/// The program in `docs/embedding.md`, which that guide's reader has built: a doc test of `wappa-wasm` compiles it.
const PROGRAM_OF_THE_READER: &str = "service";

/// What a command prints, to either side, when a reader of the guide types it.
fn print(program: &Program, command: &str) -> String {
    let script = format!("wappa() {{ \"$WAPPA\" \"$@\"; }}\n{{ {command}\n}} 2>&1");
    let child = shell(&script, program.dir()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("there is a shell");
    let mut stdout = child.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    wait(child);
    reader.join().expect("reading does not panic").expect("it is text")
}

/// Lines of the log, which come from several threads, in a fixed order behind all others.
fn sorted(text: &str) -> String {
    let (mut log, mut lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|it| it.starts_with("level="));
    log.sort_unstable();
    lines.append(&mut log);
    without_duration(&lines.join("\n"))
}

/// What `lint` prints of this where there is no terminal: the lines of the file are left out, and compared with it, and
/// columns mean nothing.
fn without_places(shown: &str, file: &str, content: &str) -> String {
    let of_file: Vec<&str> = content.lines().collect();
    for line in shown.lines() {
        let Some((number, text)) = line.split_once(" | ") else { continue };
        if let Ok(number) = number.trim().parse::<usize>() {
            assert_eq!(of_file.get(number - 1), Some(&text), "line {number} of {file}");
        }
    }
    let is_lint = |it: &&str| it.starts_with(&format!("{file}(")) || it.trim_start().starts_with("hint: ");
    without_columns(&shown.lines().filter(is_lint).collect::<Vec<_>>().join("\n"))
}

/// The findings of `lint` without columns, and hints without the blanks before them.
fn without_columns(text: &str) -> String {
    let line = |line: &str| match line.split_once(',') {
        Some((place, rest)) if place.contains('(') && !place.contains(' ') => {
            let text = rest.split_once(')').map_or(rest, |it| it.1);
            format!("{place}){text}\n")
        }
        _ => format!("{}\n", line.trim_start()),
    };
    text.lines().map(line).collect()
}

#[test]
fn commands_print_what_the_guides_say() {
    let mut n_commands = 0;
    for (path, text) in guides() {
        let mut program = folder(&format!("console-{}", path.replace('/', "-")), &text);
        let mut fragment = "";
        for (mark, content) in fences(&text) {
            if mark == "yml" {
                fragment = content;
            }
            if mark != "console" {
                continue;
            }
            // The first piece is what stands in front of the first command.
            for block in format!("\n{content}").split("\n$ ").skip(1) {
                // One that prints nothing is followed by the next.
                let (command, shown) = block.split_once('\n').unwrap_or((block, ""));
                if command.contains(&format!("| {PROGRAM_OF_THE_READER} ")) {
                    continue;
                }
                let mut expected = shown.to_string();
                if let Some(file) = command.strip_prefix("wappa lint ") {
                    if !program.dir().join(file).exists() {
                        program = program.file(file, fragment);
                    }
                    expected = without_places(shown, file, fragment);
                }
                let mut printed = print(&program, command);
                if command.starts_with("wappa lint ") {
                    printed = without_columns(&printed);
                }
                assert_eq!(
                    sorted(&without_times(&printed)),
                    sorted(&without_times(&expected)),
                    "{path}: $ {command}"
                );
                n_commands += 1;
            }
        }
    }
    assert!(10 <= n_commands, "only {n_commands} commands were found");
}

/// Where each relative link of a text leads to, without what follows `#`, and its line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        is_inside ^= line.starts_with("```");
        let targets = line.split("](").skip(1).filter_map(|it| it.split(')').next());
        let targets = targets.filter(|it| !is_inside && !it.contains("://"));
        found.extend(targets.map(|it| (number, it.to_string())));
    }
    found
}

/// The anchor of each heading, as the usual viewers make them.
fn anchors(text: &str) -> Vec<String> {
    let mut is_inside = false;
    let headings = text.lines().filter(|line| {
        is_inside ^= line.starts_with("```");
        !is_inside && line.starts_with('#')
    });
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
        kept.map(|it| if it == ' ' { '-' } else { it }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    for (path, text) in guides().into_iter().chain(reference()) {
        let file = root().join(&path);
        for (line, link) in links(&text) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match target {
                "" => file.clone(),
                _ => file.parent().expect("a file is in a folder").join(target),
            };
            // A picture has no text, and no anchors.
            let text = || fs::read(&target).map(|it| String::from_utf8_lossy(&it).into_owned());
            let text = if target.is_dir() { Ok(String::new()) } else { text() };
            if !text.is_ok_and(|it| anchor.is_empty() || anchors(&it).iter().any(|it| it == anchor)) {
                problems.push(format!("{path}:{line}: `{link}` leads nowhere"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The lists of the index are the table of contents of the site as well.
#[test]
fn each_page_is_in_a_list_of_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("there is an index");
    let named: Vec<String> = links(&index).into_iter().map(|(_, link)| format!("docs/{link}")).collect();
    let pages = guides().into_iter().map(|(path, _)| path);
    let pages = pages.filter(|it| it.starts_with("docs/") && it != "docs/README.md");
    let missing: Vec<String> = pages.filter(|it| !named.contains(it)).collect();
    assert!(missing.is_empty(), "no list of docs/README.md names {}", missing.join(", "));
}

/// The stream of the page, with its own lines for a server, on a port that is free.
#[test]
fn the_page_on_requests_runs_as_it_is() {
    let has_python =
        std::process::Command::new("python3").arg("--version").output().is_ok_and(|it| it.status.success());
    if !has_python {
        eprintln!("skipped: there is no python3, which the page's server is written in");
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    let port = listener.local_addr().expect("it has one").port().to_string();
    drop(listener);
    let page = fs::read_to_string(root().join("docs/servers/http-client.md")).expect("the page is there");
    let page = page.replace("8080", &port);
    let fence =
        |mark: &str| fences(&page).into_iter().find(|it| it.0 == mark).expect("it is there").1.to_string();
    let yaml = fence("yaml");
    let program = Program::new("page-requests").file("stream.yaml", &yaml);
    let command = format!("{}printf 'a\\nb\\n' | wappa -c stream.yaml; kill $!", fence("sh"));
    let printed = print(&program, &command);
    // The server of the page says who has asked, whenever it comes to that.
    let of_others = |it: &&str| it.starts_with("level=") || it.starts_with("127.0.0.1 ");
    let lines: Vec<&str> = printed.lines().filter(|it| !of_others(it)).collect();
    assert!(lines.starts_with(&["a", "b"]), "{printed}");
}

/// The picture of speed is of the run whose table the page on the benchmark has.
#[test]
fn the_picture_of_speed_is_that_of_the_table() {
    let report = fs::read_to_string(root().join("docs/benchmark.md")).expect("the page is there");
    let drawn = picture::draw(&report);
    assert!(
        drawn.contains(">Wappa, ") && drawn.contains(">Bento</text>"),
        "the table has no such rows:\n{drawn}"
    );
    let file = root().join("docs/speed.svg");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, &drawn).expect("the picture can be written");
    }
    assert!(
        fs::read_to_string(&file).is_ok_and(|it| it == drawn),
        "docs/speed.svg is not of the table in docs/benchmark.md; draw it of that with: \
         UPDATE_EXPECT=1 cargo test -p wappa --test guides"
    );
}
