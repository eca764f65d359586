//! The README and the guides: configs in them are clean, guests in them are what they say, and links lead somewhere.
//!
//! A fence marked `yaml` is a whole config; parts of one are marked `yml`. A fence marked `wat` or `yaml` whose first
//! line is a comment with a file's name stands for that file.

use std::{
    fs,
    path::{Path, PathBuf},
};

mod support;

use support::Program;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// The README and the guides beside the generated reference: paths from the root, and texts.
fn guides() -> Vec<(String, String)> {
    let in_docs = fs::read_dir(root().join("docs")).expect("there are guides").flatten();
    let names = in_docs.map(|it| format!("docs/{}", it.file_name().display()));
    let mut paths: Vec<String> = names.filter(|it| it.ends_with(".md")).collect();
    paths.extend(["README.md", "ARCHITECTURE.md"].map(String::from));
    paths.sort();
    let text = |path: &str| fs::read_to_string(root().join(path)).expect("a guide can be read");
    paths.into_iter().map(|it| (text(&it), it)).map(|(text, path)| (path, text)).collect()
}

/// The name and content of each file that a guide tells its reader to write.
fn files(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut fences = text.split("\n```");
    fences.next();
    while let (Some(fence), _) = (fences.next(), fences.next()) {
        let Some((info, content)) = fence.split_once('\n').filter(|it| ["wat", "yaml"].contains(&it.0))
        else {
            continue;
        };
        let first = content.lines().next().unwrap_or_default().trim_start_matches([';', '#', ' ']);
        let name = first.split([':', ' ']).next().unwrap_or_default();
        if name.ends_with(&format!(".{info}")) {
            found.push((name.to_string(), content.to_string()));
        }
    }
    found
}

#[test]
fn configs_are_clean() {
    let mut program = Program::new("guides");
    std::os::unix::fs::symlink(root().join("examples"), program.dir().join("examples"))
        .expect("a link can be made");
    let guides = guides();
    for (path, text) in &guides {
        program = program.file(path, text);
        for (name, content) in files(text) {
            program = program.file(&name, content);
        }
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
    for (path, text) in guides() {
        let file = root().join(&path);
        for (line, link) in links(&text) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match target {
                "" => file.clone(),
                _ => file.parent().expect("a file is in a folder").join(target),
            };
            let text = if target.is_dir() { Ok(String::new()) } else { fs::read_to_string(&target) };
            if !text.is_ok_and(|it| anchor.is_empty() || anchors(&it).iter().any(|it| it == anchor)) {
                problems.push(format!("{path}:{line}: `{link}` leads nowhere"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
