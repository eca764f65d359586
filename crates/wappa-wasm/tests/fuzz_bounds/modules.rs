//! Modules that are dear before they run, or when they trap: debug sections and names, instances of instances.

use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    Instruction, Module, TypeSection, ValType,
};

use crate::{
    debug::{
        COMPILE_UNIT, INLINED_SUBROUTINE, RANGE, SUBPROGRAM, abbreviation, doubling_name, entry_with_range,
        with_debug_sections, with_section, without_bytes,
    },
    random::Random,
    world::{LETTERS, WIT, with_instances, with_types},
};

/// A module, and what is said of it when it fails.
pub(crate) struct Made {
    pub(crate) module: Vec<u8>,
    pub(crate) told: String,
}

/// One that traps at once, with debug sections and names that cost whoever reads them dearly.
pub(crate) fn trapping(random: &mut Random) -> Made {
    let name = name(random);
    let text = format!("(module (func (@name \"{name}\") (export \"process\") unreachable))");
    let mut module = wat::parse_str(&text).expect("the text is right");
    // The sections are of some size only where reading them takes as long as two numbers multiplied.
    let many = |random: &mut Random| [0, 10, 1000, 20_000][random.below(4)];
    let (n_attributes, n_entries) = (many(random), many(random));
    let tag = [SUBPROGRAM, INLINED_SUBROUTINE][random.below(2)];
    let has_children = random.one_in(2);
    let abbreviations = [
        abbreviation(1, COMPILE_UNIT, true, &RANGE),
        abbreviation(2, SUBPROGRAM, true, &RANGE),
        abbreviation(3, tag, has_children, &without_bytes(n_attributes)),
    ];
    let mut entries = [entry_with_range(1), entry_with_range(2)].concat();
    entries.extend(vec![3; n_entries]);
    entries.extend(vec![0; if has_children { n_entries + 2 } else { 2 }]);
    let n_wild = if random.one_in(3) { random.below(4) } else { 0 };
    for _ in 0..n_wild {
        let at = random.below(entries.len());
        entries[at] = random.next() as u8;
    }
    let version = 4 + random.below(2) as u16;
    let mut told = format!(
        "a function {:.100}, {} bytes, {n_entries} entries of tag {tag:#x} with {n_attributes} attributes, \
         children: {has_children}, version {version}, {n_wild} bytes wild",
        name,
        name.len()
    );
    module = with_debug_sections(module, version, &abbreviations, &entries);
    match random.below(3) {
        0 => with_section(&mut module, ".debug_line", &random.bytes(1 << 12)),
        // Rows of a line program: one special opcode after the other.
        1 => {
            told += ", a long line program";
            with_section(&mut module, ".debug_line", &vec![0x20; 1 << 20]);
        }
        _ => {}
    }
    Made { module, told }
}

fn name(random: &mut Random) -> String {
    match random.below(8) {
        0..=3 => doubling_name(1 + random.below(20), 2 + random.below(21)),
        4 => format!("_Z{}1a{}", "N".repeat(random.below(100_000)), "E".repeat(random.below(100))),
        5 => format!("_RNv{}C1a1b", "I".repeat(random.below(100_000))),
        6 => "\\u{1b}[31m\\u{9b}\\u{202e}\\n\\u{7f}\\u{2066}".repeat(1 + random.below(2000)),
        _ => format!("f{}", "o".repeat(random.below(100_000))),
    }
}

/// Instances multiplied level by level; it is no processor, so whatever it takes is taken before it is refused.
pub(crate) fn nested(random: &mut Random) -> Made {
    let core = match random.below(4) {
        0 => "(global i64 (i64.const 0))".repeat(random.below(2000)),
        1 => format!("(table {} funcref)", random.below(100_000)),
        2 => "(memory 1)".into(),
        _ => String::new(),
    };
    let width = 1 + random.below(12);
    let depth = random.below(5);
    let mut text = format!(
        "(component (core module $m (func) {core}) (component $c0 {})",
        "(core instance (instantiate $m))".repeat(width)
    );
    for level in 1..=depth {
        let inner = format!("(instance (instantiate $c{}))", level - 1).repeat(width);
        text += &format!("(component $c{level} {inner})");
    }
    text += &format!("(instance (instantiate $c{depth})))");
    let told = format!("{width} instances on each of {depth} levels of {:.60}", core);
    Made { module: text.into_bytes(), told }
}

/// A processor, with many core instances that have many globals beside it or in it.
pub(crate) fn wide(random: &mut Random) -> Made {
    let n_globals = [10, 1000, 20_000, 100_000][random.below(4)];
    let is_component = random.below(3) != 0;
    let module = with_globals(n_globals);
    if !is_component {
        return Made { module, told: format!("{n_globals} globals") };
    }
    let letters = with_types(LETTERS, WIT);
    let mut encoder = wit_component::ComponentEncoder::default().module(&letters).expect("it has types");
    let component = encoder.encode().expect("it becomes a component");
    let n_instances = [1, 10, 100, 190, 300][random.below(5)];
    let told = format!("{n_instances} core instances more with {n_globals} globals each");
    Made { module: with_instances(&component, &module, n_instances), told }
}

/// A core module with so many globals.
fn with_globals(n: usize) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut globals = GlobalSection::new();
    let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
    for _ in 0..n {
        globals.global(ty, &ConstExpr::i64_const(0));
    }
    let mut exports = ExportSection::new();
    exports.export("process", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instruction(&Instruction::End);
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&globals).section(&exports).section(&code);
    module.finish()
}
