//! A config with many processors of one module has it looked into once.

use std::{
    any::{Any, TypeId},
    fs,
    path::Path,
};

use wappa_component::Component;
use wappa_spec::{ComponentKind, LintOptions, Registry, Source, Spec};
use wappa_wasm::{
    Budget, ChildCompiler,
    processor::{COMPONENT, Modules},
};

static PROCESSOR: Component = COMPONENT;

/// The processor, with what is known of modules.
struct OneProcessor(Modules);

impl Registry for OneProcessor {
    fn spec(&self, kind: ComponentKind, name: &str) -> Option<&Spec> {
        Some(&PROCESSOR.spec).filter(|it| it.kind == kind && it.name == name)
    }

    fn names(&self, _: ComponentKind) -> Vec<&str> {
        Vec::new()
    }

    fn service(&self, type_id: TypeId) -> Option<&(dyn Any + Send + Sync)> {
        (type_id == TypeId::of::<Modules>()).then_some(&self.0 as _)
    }
}

/// Stands for the process that reads modules: leaves a mark each time and answers nothing.
fn reader(marks: &Path) -> ChildCompiler {
    let script = format!("echo >> '{}'; exit 1", marks.display());
    ChildCompiler::new("/bin/sh".into(), vec!["-c".into(), script.into()], Budget::default())
}

#[test]
fn a_module_is_looked_into_once_for_all_processors_of_it() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("known-modules-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder can be made");
    for (name, text) in [("a.wat", "(module)"), ("b.wat", "(module )"), ("same-as-a.wat", "(module)")] {
        fs::write(dir.join(name), text).expect("a file can be written");
    }
    let marks = dir.join("marks");
    let processors: String = (0..100)
        .flat_map(|_| ["a", "b", "same-as-a"])
        .map(|name| format!("    - wasm: {{module_path: {name}.wat}}\n"))
        .collect();
    let of_others = "    - wasm: {module_path: a.wat, function: other}\n    - wasm: {module_path: a.wat, memory_limit: 1MiB}\n";
    let text = format!("pipeline:\n  processors:\n{processors}{of_others}");
    let registry: &dyn Registry = &OneProcessor(Modules::default().read_by(reader(&marks)));
    let source = Source::read(text.as_bytes(), |_| None).expect("it is YAML").in_dir(&dir);
    let lints = source.stream(registry, LintOptions::default()).lints;
    let n_refused = lints.iter().filter(|it| it.message.contains("the process that read it ended")).count();
    let n_looked = fs::read_to_string(&marks).expect("it was called").lines().count();
    let _ = fs::remove_dir_all(&dir);
    assert_eq!((n_refused, n_looked), (302, 4), "{:?}", lints.first());
}
