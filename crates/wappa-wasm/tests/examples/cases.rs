//! What a module makes of the shared data, and that nothing of a message is there when the next one comes.

use std::sync::Arc;

use wappa_message::Message;
use wappa_wasm::{Level, spawn_thread};

use crate::{
    check::{Content, Meta, Seen, compare, sent},
    data::{Case, Data},
    modules::Example,
    running::{Ear, Said, engine, finish, guest, instantiate, run_of},
};

/// Runs all cases of the example; all mistakes are told.
pub(crate) fn check(example: &Arc<Example>, data: &Arc<Data>) -> Result<(), String> {
    let (example, data) = (Arc::clone(example), Arc::clone(data));
    let checked = spawn_thread("guest", move || {
        let Some(cases) = data.get(&example.name) else {
            return Err(format!("there is no data for an example `{}`", example.name));
        };
        let mut problems = Vec::new();
        for same_config in by_config(cases) {
            check_config(&example, &same_config, &mut problems).unwrap_or_else(|err| problems.push(err));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    });
    checked.expect("a thread").join().expect("no panic")
}

/// The cases, those with the same config together.
fn by_config(cases: &[Case]) -> Vec<Vec<&Case>> {
    let mut groups: Vec<Vec<&Case>> = Vec::new();
    for case in cases {
        match groups.iter_mut().find(|it| it[0].config == case.config) {
            Some(group) => group.push(case),
            None => groups.push(vec![case]),
        }
    }
    groups
}

/// One instance takes all these cases three times: one by one in both directions, then all in one run.
fn check_config(example: &Example, cases: &[&Case], problems: &mut Vec<String>) -> Result<(), String> {
    let ear = Arc::new(Ear::default());
    let guest = guest(example, &cases[0].config, Some(&ear))?;
    let ctx = engine().enter().map_err(|err| err.to_string())?;
    let mut instance = instantiate(&guest)?;
    let one_by_one = cases.iter().chain(cases.iter().rev()).map(std::slice::from_ref);
    for cases in one_by_one.chain([cases]) {
        let batches: Vec<&[Message]> = cases.iter().map(|it| it.input.as_slice()).collect();
        let mut run = run_of(&batches);
        let names: Vec<&str> = cases.iter().map(|it| it.name.as_str()).collect();
        let names = names.join("`, `");
        finish(&mut instance, &mut run, &ctx).map_err(|err| format!("`{names}`: {err}"))?;
        let mut outcomes = run.finish();
        for case in cases {
            for (idx, (expected, outcome)) in case.output.iter().zip(&mut outcomes).enumerate() {
                if let Err(err) = compare(expected, &sent(outcome)) {
                    problems.push(format!("`{}`, message {idx}:\n{err}", case.name));
                }
            }
        }
        let (expected, said) = (expected_said(example, cases), ear.take());
        if said != expected {
            problems.push(format!("`{names}`: said     {said:?}\nexpected {expected:?}"));
        }
    }
    instance.close();
    let said = ear.take();
    if said != Said::default() { Err(format!("said at its end: {said:?}")) } else { Ok(()) }
}

/// `route` tells of each message, the others of none.
fn expected_said(example: &Example, cases: &[&Case]) -> Said {
    let mut said = Said::default();
    if example.name != "route" {
        return said;
    }
    for seen in cases.iter().flat_map(|it| &it.output).flatten() {
        said.lines.push((Level::Debug, format!("routed to {}", route(seen))));
        *said.counts.entry("routed".to_string()).or_default() += 1;
    }
    said
}

fn route(seen: &Seen) -> String {
    match seen.metadata.get("route".as_bytes()) {
        Some(Meta::Text(route)) => String::from_utf8_lossy(route).into_owned(),
        other => panic!("{other:?} is no route of {:?}", matches!(seen.content, Content::Json(_))),
    }
}
