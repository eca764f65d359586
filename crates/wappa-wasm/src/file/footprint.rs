//! What an instance costs the host beside its memories and tables, counted from the module's bytes alone.
//!
//! The engine keeps something for each global, import, function that can be referred to and element of a segment, in
//! every core instance; and a component can instantiate what it holds as often as it likes, by powers where components
//! are nested. Nothing of that grows later, so it is counted once, before anything is compiled: instantiating is played
//! through, without doing it, up to a bound.

use std::{collections::HashMap, rc::Rc};

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, CompositeInnerType, ElementItems, Encoding, Instance, Parser, Payload,
};

use super::format;

/// Core instances, memories and tables of one component, each. Toolchains make components of a dozen; each costs the
/// host memory that no guest sees, and a memory costs address space.
pub(crate) const PARTS_MAX: usize = 200;

/// Components that are instantiated inside of one, those that have no core instance included.
const COMPONENTS_MAX: usize = 5000;

/// Things that a component defines or names and that are kept here, in units that a name of usual length fits into.
/// Toolchains make hundreds.
const ITEMS_MAX: usize = 100_000;

/// Types of a module or a component with all that is in it, in units of one with a few fields. The engine keeps a kilobyte
/// of each for as long as the module is loaded, whoever has the limit for its instances. Kotlin makes thousands.
const TYPES_MAX: usize = 200_000;

/// The fields, parameters and results of a type that one unit covers.
const TYPE_FIELDS: usize = 16;

/// So many of them are looked at while instantiating is played through, which sees some again and again.
const STEPS_MAX: usize = 1_000_000;

/// The part of a name that one unit covers.
const NAME_BYTES: usize = 64;

/// So much of what an instance costs is on the house: no guest of a toolchain has more, and one that has little memory
/// need not have less for it.
const FREE_BYTES: u64 = 1 << 20;

/// What any core instance costs.
const INSTANCE_BYTES: u64 = 4 << 10;

/// A global, or the place of one.
const GLOBAL_BYTES: u64 = 16;
/// An import of any kind.
const IMPORT_BYTES: u64 = 48;
/// A function of which a reference can be made.
const FUNCTION_BYTES: u64 = 40;
/// A memory or a table: what describes it.
const MEMORY_BYTES: u64 = 512;
/// An element of a segment.
const ELEMENT_BYTES: u64 = 16;

/// What one instance costs the host beside its memories and tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes, at least as many as the engine allocates.
    pub bytes: u64,
    /// Core instances, those without memory included; 1 for a core module.
    pub instances: u64,
}

impl Footprint {
    /// What counts against `memory_limit`: the first mebibyte does not.
    pub fn charged(&self) -> u64 {
        self.bytes.saturating_sub(FREE_BYTES)
    }

    /// Of a file, binary or text, that was or will be found valid. `Err`: more than any guest may have, in words: "makes
    /// more than 200 core instances".
    pub fn of(file: &[u8]) -> Result<Footprint, String> {
        match format::to_binary(file) {
            Ok(wasm) => Footprint::of_binary(&wasm),
            // Whoever validates says it better.
            Err(_) => Ok(Footprint::default()),
        }
    }

    /// The same, of the binary form.
    pub fn of_binary(wasm: &[u8]) -> Result<Footprint, String> {
        match read(wasm) {
            Ok(Some(Found::Module(bytes))) => Ok(Footprint { bytes, instances: 1 }),
            Ok(Some(Found::Component(definition))) => Play::run(&definition),
            Ok(Some(Found::TooManyTypes)) => Err(format!(
                "defines more than {TYPES_MAX} types ({TYPE_FIELDS} fields or parameters of one count as another)"
            )),
            Ok(None) => Err(format!("defines more than {ITEMS_MAX} things")),
            Err(_) => Ok(Footprint::default()),
        }
    }
}

/// What was read.
enum Found {
    /// A core module: what an instance of it costs.
    Module(u64),
    Component(Rc<Definition>),
    TooManyTypes,
}

/// What a component does when it is instantiated, in its order. Types, functions and values cost nothing here.
#[derive(Default)]
struct Definition(Vec<Action>);

enum Action {
    Module(u64),
    Component(Rc<Definition>),
    /// Something that comes from outside, by name.
    Import(Space, String),
    /// Something of a component around this one: how many further out, and its index.
    Outer(Space, u32, u32),
    /// An export of an instance.
    Export(Space, u32, String),
    /// The same once more, under an index of its own.
    Again(Space, u32),
    CoreInstance(u32),
    /// A core instance of nothing but names.
    CoreNames,
    Instance(u32, Vec<(String, Space, u32)>),
    /// An instance of nothing but names.
    Names(Vec<(String, Space, u32)>),
}

impl Action {
    /// How many units it counts for.
    fn weight(&self) -> usize {
        let of = |name: &String| 1 + name.len() / NAME_BYTES;
        match self {
            Action::Import(_, name) | Action::Export(_, _, name) => of(name),
            Action::Instance(_, names) | Action::Names(names) => {
                1 + names.iter().map(|(name, _, _)| of(name)).sum::<usize>()
            }
            _ => 1,
        }
    }
}

/// The spaces of indices that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Space {
    Module,
    Component,
    Instance,
}

fn space(kind: ComponentExternalKind) -> Option<Space> {
    match kind {
        ComponentExternalKind::Module => Some(Space::Module),
        ComponentExternalKind::Component => Some(Space::Component),
        ComponentExternalKind::Instance => Some(Space::Instance),
        _ => None,
    }
}

/// A definition that is being read, of one of the two kinds.
enum Open {
    Module(Counts),
    Component(Definition),
}

/// What is in a core module.
#[derive(Default)]
struct Counts {
    globals: u64,
    imports: u64,
    functions: u64,
    memories: u64,
    elements: u64,
}

impl Counts {
    fn bytes(&self) -> u64 {
        INSTANCE_BYTES
            + self.globals.saturating_mul(GLOBAL_BYTES)
            + self.imports.saturating_mul(IMPORT_BYTES)
            + self.functions.saturating_mul(FUNCTION_BYTES)
            + self.memories.saturating_mul(MEMORY_BYTES)
            + self.elements.saturating_mul(ELEMENT_BYTES)
    }
}

/// Reads a module or a component with all that is in it. `None`: it has more than is looked at.
fn read(wasm: &[u8]) -> Result<Option<Found>, BinaryReaderError> {
    let mut open: Vec<Open> = Vec::new();
    let mut n_items = 0;
    let mut n_types = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::Version { encoding, .. } = payload {
            open.push(match encoding {
                Encoding::Module => Open::Module(Counts::default()),
                Encoding::Component => Open::Component(Definition::default()),
            });
            continue;
        }
        n_types += types(&payload, TYPES_MAX - n_types)?;
        if TYPES_MAX <= n_types {
            return Ok(Some(Found::TooManyTypes));
        }
        if let Payload::End(_) = payload {
            let found = match open.pop() {
                Some(Open::Module(counts)) => Found::Module(counts.bytes()),
                Some(Open::Component(definition)) => Found::Component(Rc::new(definition)),
                None => continue,
            };
            match open.last_mut() {
                None => return Ok(Some(found)),
                Some(Open::Component(Definition(actions))) => {
                    n_items += 1;
                    actions.push(match found {
                        Found::Module(bytes) => Action::Module(bytes),
                        Found::Component(definition) => Action::Component(definition),
                        Found::TooManyTypes => return Ok(Some(found)),
                    });
                }
                Some(Open::Module(_)) => {}
            }
            continue;
        }
        match open.last_mut() {
            Some(Open::Module(counts)) => count(counts, payload)?,
            Some(Open::Component(Definition(actions))) => {
                let before = actions.len();
                take_actions(actions, payload, ITEMS_MAX - n_items)?;
                n_items += actions[before..].iter().map(Action::weight).sum::<usize>();
            }
            None => {}
        }
        if ITEMS_MAX <= n_items {
            return Ok(None);
        }
    }
    Ok(Some(Found::Module(0)))
}

/// The types of a section in their units, no more than so many.
fn types(payload: &Payload<'_>, n_max: usize) -> Result<usize, BinaryReaderError> {
    let mut n = 0;
    match payload {
        Payload::TypeSection(section) => {
            for group in section.clone() {
                for ty in group?.types() {
                    n += 1 + fields(&ty.composite_type.inner) / TYPE_FIELDS;
                }
                if n_max <= n {
                    break;
                }
            }
        }
        Payload::CoreTypeSection(section) => n = section.count() as usize,
        Payload::ComponentTypeSection(section) => n = section.count() as usize,
        _ => {}
    }
    Ok(n.min(n_max))
}

fn fields(it: &CompositeInnerType) -> usize {
    match it {
        CompositeInnerType::Func(it) => it.params().len() + it.results().len(),
        CompositeInnerType::Struct(it) => it.fields.len(),
        CompositeInnerType::Array(_) | CompositeInnerType::Cont(_) => 1,
    }
}

fn count(counts: &mut Counts, payload: Payload<'_>) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::ImportSection(section) => counts.imports += u64::from(section.count()),
        Payload::FunctionSection(section) => counts.functions += u64::from(section.count()),
        Payload::GlobalSection(section) => counts.globals += u64::from(section.count()),
        Payload::TableSection(section) => counts.memories += u64::from(section.count()),
        Payload::MemorySection(section) => counts.memories += u64::from(section.count()),
        Payload::TagSection(section) => counts.globals += u64::from(section.count()),
        Payload::ElementSection(section) => {
            for element in section {
                counts.elements += 1 + match element?.items {
                    ElementItems::Functions(items) => u64::from(items.count()),
                    ElementItems::Expressions(_, items) => u64::from(items.count()),
                };
            }
        }
        Payload::DataCountSection { count, .. } => counts.elements += u64::from(count),
        _ => {}
    }
    Ok(())
}

/// What a section adds to the actions of its component, no more than so many.
fn take_actions(
    actions: &mut Vec<Action>,
    payload: Payload<'_>,
    n_max: usize,
) -> Result<(), BinaryReaderError> {
    let mut push = |action: Action| actions.push(action);
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section.into_iter().take(n_max) {
                let import = import?;
                let space = match import.ty {
                    ComponentTypeRef::Module(_) => Space::Module,
                    ComponentTypeRef::Component(_) => Space::Component,
                    ComponentTypeRef::Instance(_) => Space::Instance,
                    _ => continue,
                };
                push(Action::Import(space, import.name.name.to_string()));
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section.into_iter().take(n_max) {
                match alias? {
                    ComponentAlias::InstanceExport { kind, instance_index, name } => {
                        if let Some(space) = space(kind) {
                            push(Action::Export(space, instance_index, name.to_string()));
                        }
                    }
                    ComponentAlias::Outer { kind, count, index } => match kind {
                        ComponentOuterAliasKind::CoreModule => {
                            push(Action::Outer(Space::Module, count, index))
                        }
                        ComponentOuterAliasKind::Component => {
                            push(Action::Outer(Space::Component, count, index))
                        }
                        _ => {}
                    },
                    ComponentAlias::CoreInstanceExport { .. } => {}
                }
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section.into_iter().take(n_max) {
                push(match instance? {
                    Instance::Instantiate { module_index, .. } => Action::CoreInstance(module_index),
                    Instance::FromExports(_) => Action::CoreNames,
                });
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section.into_iter().take(n_max) {
                push(match instance? {
                    ComponentInstance::Instantiate { component_index, args } => {
                        let args = args.iter().filter_map(|it| {
                            space(it.kind).map(|space| (it.name.to_string(), space, it.index))
                        });
                        Action::Instance(component_index, args.collect())
                    }
                    ComponentInstance::FromExports(exports) => {
                        let names = exports.iter().filter_map(|it| {
                            space(it.kind).map(|space| (it.name.name.to_string(), space, it.index))
                        });
                        Action::Names(names.collect())
                    }
                });
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.into_iter().take(n_max) {
                let export = export?;
                if let Some(space) = space(export.kind) {
                    push(Action::Again(space, export.index));
                    push(Action::Export(space, u32::MAX, export.name.name.to_string()));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Something that an index stands for.
#[derive(Clone)]
enum Thing {
    Module(u64),
    /// With the frame in which its outer aliases mean something.
    Component(Rc<Definition>, usize),
    /// Which of those that were made.
    Instance(usize),
    /// The host would have to bring it, and brings nothing that could be instantiated.
    Unknown,
}

type Names = HashMap<(String, Space), Thing>;

/// A component that is being instantiated: what its indices stand for.
#[derive(Default)]
struct Frame {
    things: HashMap<Space, Vec<Thing>>,
    outer: Option<usize>,
}

impl Frame {
    fn push(&mut self, space: Space, thing: Thing) {
        self.things.entry(space).or_default().push(thing);
    }

    fn get(&self, space: Space, index: u32) -> Thing {
        self.things.get(&space).and_then(|it| it.get(index as usize)).cloned().unwrap_or(Thing::Unknown)
    }

    fn named(&self, names: &[(String, Space, u32)]) -> Names {
        names.iter().map(|(name, space, index)| ((name.clone(), *space), self.get(*space, *index))).collect()
    }
}

/// Instantiating, without doing it.
///
/// Frames and instances are named by their numbers: components that are handed on can go round in circles, and can be
/// inside of each other deeper than the stack.
#[derive(Default)]
struct Play {
    footprint: Footprint,
    frames: Vec<Frame>,
    instances: Vec<Names>,
    n_steps: usize,
    depth: usize,
}

/// Components that are being instantiated at once. Toolchains nest a handful.
const DEPTH_MAX: usize = 200;

impl Play {
    fn run(definition: &Rc<Definition>) -> Result<Footprint, String> {
        let mut play = Play::default();
        play.instantiate(definition, None, Names::new())?;
        Ok(play.footprint)
    }

    /// What the instance exports.
    fn instantiate(
        &mut self,
        definition: &Rc<Definition>,
        outer: Option<usize>,
        imports: Names,
    ) -> Result<Names, String> {
        let at = self.frames.len();
        if COMPONENTS_MAX <= at {
            return Err(format!("instantiates more than {COMPONENTS_MAX} components"));
        }
        if DEPTH_MAX <= self.depth {
            return Err(format!("instantiates components inside of each other more than {DEPTH_MAX} deep"));
        }
        self.depth += 1;
        self.frames.push(Frame { outer, ..Frame::default() });
        let mut exports = Names::new();
        let mut exported = Thing::Unknown;
        for action in &definition.0 {
            self.n_steps += action.weight();
            if STEPS_MAX < self.n_steps {
                return Err(format!("takes more than {STEPS_MAX} actions to be instantiated"));
            }
            match action {
                Action::Module(bytes) => self.frames[at].push(Space::Module, Thing::Module(*bytes)),
                Action::Component(definition) => {
                    self.frames[at].push(Space::Component, Thing::Component(Rc::clone(definition), at));
                }
                Action::Import(space, name) => {
                    let thing = imports.get(&(name.clone(), *space)).cloned().unwrap_or(Thing::Unknown);
                    self.frames[at].push(*space, thing);
                }
                Action::Outer(space, count, index) => {
                    let mut around = Some(at);
                    for _ in 0..*count {
                        let Some(it) = around else { break };
                        around = self.frames[it].outer;
                    }
                    let thing = around.map_or(Thing::Unknown, |it| self.frames[it].get(*space, *index));
                    self.frames[at].push(*space, thing);
                }
                // Behind what is exported comes its name.
                Action::Export(space, u32::MAX, name) => {
                    exports.insert((name.clone(), *space), exported.clone());
                }
                Action::Export(space, instance, name) => {
                    let thing = match self.frames[at].get(Space::Instance, *instance) {
                        Thing::Instance(it) => self.instances[it].get(&(name.clone(), *space)).cloned(),
                        _ => None,
                    };
                    self.frames[at].push(*space, thing.unwrap_or(Thing::Unknown));
                }
                Action::Again(space, index) => {
                    exported = self.frames[at].get(*space, *index);
                    self.frames[at].push(*space, exported.clone());
                }
                Action::CoreInstance(module) => {
                    let bytes = match self.frames[at].get(Space::Module, *module) {
                        Thing::Module(bytes) => bytes,
                        _ => INSTANCE_BYTES,
                    };
                    self.add(bytes)?;
                }
                Action::CoreNames => self.footprint.bytes += IMPORT_BYTES,
                Action::Instance(component, args) => {
                    let args = self.frames[at].named(args);
                    let names = match self.frames[at].get(Space::Component, *component) {
                        Thing::Component(definition, outer) => {
                            self.instantiate(&definition, Some(outer), args)?
                        }
                        _ => Names::new(),
                    };
                    self.push_instance(at, names);
                }
                Action::Names(names) => {
                    let names = self.frames[at].named(names);
                    self.push_instance(at, names);
                }
            }
        }
        self.depth -= 1;
        Ok(exports)
    }

    fn push_instance(&mut self, frame: usize, names: Names) {
        self.frames[frame].push(Space::Instance, Thing::Instance(self.instances.len()));
        self.instances.push(names);
    }

    fn add(&mut self, bytes: u64) -> Result<(), String> {
        self.footprint.instances += 1;
        self.footprint.bytes = self.footprint.bytes.saturating_add(bytes);
        if PARTS_MAX < self.footprint.instances as usize {
            return Err(format!("makes more than {PARTS_MAX} core instances"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(wat: &str) -> Result<(u64, u64), String> {
        Footprint::of(wat.as_bytes()).map(|it| (it.instances, it.bytes / 1024))
    }

    #[test]
    fn core_modules() {
        assert_eq!(footprint("(module)"), Ok((1, 4)));
        let globals = "(global (mut i32) (i32.const 0))".repeat(100_000);
        assert_eq!(footprint(&format!("(module {globals})")), Ok((1, 4 + 100_000 * 16 / 1024)));
        assert_eq!(
            footprint(r#"(module (import "a" "b" (func)) (memory 1) (table 4 funcref) (elem func))"#),
            Ok((1, 5))
        );
        // Whoever validates says it.
        assert_eq!(footprint("(module"), Ok((0, 0)));
    }

    fn leb(mut n: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while 0x7f < n {
            out.push(0x80 | (n & 0x7f) as u8);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }

    /// A module of nothing but types; as text they would take the test a minute.
    fn with_types(n: usize, types: &[u8]) -> Vec<u8> {
        let content = [&leb(n), types].concat();
        [b"\0asm\x01\0\0\0\x01".as_slice(), &leb(content.len()), &content].concat()
    }

    #[test]
    fn types() {
        let function = |n: usize| [&[0x60], &*leb(n), &vec![0x7f; n], &[0]].concat();
        let structure = |n: usize| [&[0x5f], &*leb(n), &[0x7e, 0].repeat(n)].concat();
        let group = [&[0x4e], &*leb(200_000), &structure(0).repeat(200_000)].concat();
        let told = "defines more than 200000 types (16 fields or parameters of one count as another)";
        for (module, is_small) in [
            (with_types(199_999, &function(0).repeat(199_999)), true),
            (with_types(200_000, &function(0).repeat(200_000)), false),
            (with_types(1, &group), false),
            (with_types(300, &structure(9_999).repeat(300)), true),
            (with_types(400, &structure(9_999).repeat(400)), false),
            (with_types(3_500, &function(999).repeat(3_500)), false),
        ] {
            let counted = Footprint::of_binary(&module).map(|it| it.bytes);
            assert_eq!(counted, if is_small { Ok(INSTANCE_BYTES) } else { Err(told.into()) });
            // Inside of a component.
            let outer = [b"\0asm\x0d\0\x01\0\x01".as_slice(), &leb(module.len()), &module].concat();
            let counted = Footprint::of_binary(&outer).map(|it| it.bytes);
            assert_eq!(counted, if is_small { Ok(0) } else { Err(told.into()) });
        }
    }

    #[test]
    fn components() {
        let twice = "(core instance (instantiate $m))".repeat(2);
        assert_eq!(footprint(&format!("(component (core module $m) {twice})")), Ok((2, 8)));
        let inner = format!("(component $c (core module $m) {twice})");
        assert_eq!(footprint(&format!("(component {inner})")), Ok((0, 0)));
        let three = "(instance (instantiate $c))".repeat(3);
        assert_eq!(footprint(&format!("(component {inner} {three})")), Ok((6, 24)));
    }

    #[test]
    fn what_is_handed_on_counts_where_it_is_instantiated() {
        let handed = r#"(component
            (component $many (core module $m) (core instance (instantiate $m)) (core instance (instantiate $m)))
            (component $maker
              (import "it" (component $it))
              (instance (instantiate $it)) (instance (instantiate $it)) (instance (instantiate $it)))
            (instance (instantiate $maker (with "it" (component $many)))))"#;
        assert_eq!(footprint(handed), Ok((6, 24)));
        let exported = r#"(component
            (component $box (core module $m) (export "m" (core module $m)))
            (instance $box (instantiate $box))
            (alias export $box "m" (core module $m))
            (core instance (instantiate $m)))"#;
        assert_eq!(footprint(exported), Ok((1, 4)));
        let outer = r#"(component
            (core module $m)
            (component $c (alias outer 1 $m (core module $n)) (core instance (instantiate $n)))
            (instance (instantiate $c)) (instance (instantiate $c)))"#;
        assert_eq!(footprint(outer), Ok((2, 8)));
    }

    #[test]
    fn it_is_told_with_everything_else_that_is_wrong() {
        let problems = |wat: &str| {
            let inspection = crate::inspect::Inspection::of(wat.as_bytes()).expect("it is a module");
            let problems = inspection.problems("process", &crate::inspect::Limits { memory_bytes: 1 << 20 });
            let texts: Vec<String> = problems.into_iter().map(|it| it.text).collect();
            texts.join("\n")
        };
        let with_globals = |n: usize| {
            let globals = "(global (mut i32) (i32.const 0))".repeat(n);
            problems(&format!(r#"(module {globals} (memory (export "memory") 8) (func (export "process")))"#))
        };
        assert_eq!(with_globals(90_000), "");
        assert_eq!(
            with_globals(120_000),
            "needs 1.3MiB of the host for each instance, its memory included, which is over the field `memory_limit` (1MiB)"
        );
        let many = "(core instance (instantiate $m))".repeat(201);
        let told = problems(&format!("(component (core module $m) {many})"));
        assert!(told.lines().any(|it| it == "makes more than 200 core instances"), "{told}");
    }

    #[test]
    fn powers_end_at_the_bound() {
        let powers = |innermost: &str| {
            let mut inner = format!("(component $c0 {innermost})");
            for level in 1..9 {
                let below = format!("(instance (instantiate $c{}))", level - 1).repeat(10);
                inner = format!("(component $c{level} {inner} {below})");
            }
            footprint(&format!("(component {inner} (instance (instantiate $c8)))"))
        };
        assert_eq!(
            powers("(core module $m) (core instance (instantiate $m))"),
            Err("makes more than 200 core instances".into())
        );
        assert_eq!(powers(""), Err("instantiates more than 5000 components".into()));
    }

    #[test]
    fn what_is_looked_at_again_and_again_ends_at_a_bound() {
        // Each hands the one before on, below a component of its own: a chain that no stack could follow.
        let mut chain = r#"(component $first (component $k) (export "k" (component $k)))
            (instance $i0 (instantiate $first))
            (component $next
              (import "x" (instance $x (export "k" (component))))
              (alias export $x "k" (component $below))
              (component $k (alias outer 1 $below (component $b)) (instance (instantiate $b)))
              (export "k" (component $k)))"#
            .to_owned();
        for level in 1..4000 {
            chain.push_str(&format!(
                "(instance $i{level} (instantiate $next (with \"x\" (instance $i{}))))",
                level - 1
            ));
        }
        assert_eq!(footprint(&format!("(component {chain})")), Ok((0, 0)));
        let used = format!(
            r#"(component {chain} (alias export $i3999 "k" (component $last)) (instance (instantiate $last)))"#
        );
        let too_deep = "instantiates components inside of each other more than 200 deep";
        assert_eq!(footprint(&used), Err(too_deep.into()));
        let many = "(core module)".repeat(1000);
        let wide = format!("(component $c {many}) {}", "(instance (instantiate $c))".repeat(1000));
        let too_long = "takes more than 1000000 actions to be instantiated";
        assert_eq!(footprint(&format!("(component {wide})")), Err(too_long.into()));
    }
}
