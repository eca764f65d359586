//! Two guests that do what their messages say, one a core module and one a component: they call every function of the
//! host, once or in a long row.
//!
//! A row is straight: no loop and no call of the guest's own is between two calls of the host, so that no epoch ends it.
//! A program is a number of records at [`PROGRAM`] and what they refer to behind them. Each record names an operation,
//! how often to do it, and its arguments.

use std::fmt::Write;

use wappa_wasm::inspect::{V0_MODULES, ValueType, provided_functions};
use wit_parser::{
    Function as WitFunction, Handle, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem,
    abi::{AbiVariant, WasmType},
};

use crate::world::{SEND, SIX_DIGITS, WASI, WIT, with_types};

/// Where the content is: the number of records, and they.
pub(crate) const PROGRAM: u32 = 0x1000;
pub(crate) const RECORD_BYTES: usize = 96;
pub(crate) const RECORDS_MAX: usize = 24;

/// Where the content's data are in the guest.
pub(crate) const DATA: u32 = PROGRAM + DATA_OFFSET;
/// And where in the content.
pub(crate) const DATA_OFFSET: u32 = 8 + (RECORDS_MAX * RECORD_BYTES) as u32;

/// What the host gives to a component is put here; a content is copied to its place from there.
pub(crate) const HEAP: u32 = 0x8_0000;

/// What a function returns, unless somebody wants it elsewhere.
pub(crate) const RESULT: u32 = 0x100;
/// Handles, by what they are of. What returns one in a result has its place four bytes before that.
pub(crate) const DIRECTORY: u32 = 0x184;
pub(crate) const BATCH: u32 = 0x190;
pub(crate) const INDEX: u32 = 0x194;
pub(crate) const FILE: u32 = 0x1a4;
const INPUT: u32 = 0x1b4;
const OUTPUT: u32 = 0x1c4;
pub(crate) const ENTRIES: u32 = 0x1d4;
const POLLABLE: u32 = 0x1e4;
const OTHER: u32 = 0x1f4;

/// So many calls are in a row.
pub(crate) const ROW: usize = 100;

/// What an argument stands for; a text takes two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Key,
    Text,
    Json,
    Path,
    /// Room for an answer.
    Room,
    /// Where an answer is put that is small.
    Out(u32),
    /// A descriptor of preview 1, and one of a directory.
    Fd,
    Directory,
    /// A handle that is at this place.
    Handle(u32),
    /// Pairs of a place and a length.
    Vectors,
    Small,
    Offset,
}

/// A function of the host.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    module: String,
    /// Whether each parameter has 64 bits.
    params: Vec<bool>,
    result: Option<bool>,
    pub(crate) shapes: Vec<Shape>,
    /// Where its result is to be put.
    pub(crate) result_at: u32,
}

impl Function {
    /// The place at which it puts a handle.
    pub(crate) fn makes(&self) -> Option<u32> {
        match self.shapes.last() {
            _ if self.result_at != RESULT => Some(self.result_at),
            Some(Shape::Out(place)) if *place != RESULT + 16 => Some(place + 4),
            _ => None,
        }
    }
}

/// What else a record can ask for, behind all functions and their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Grow,
    Fill,
    Trap,
    Spin,
    /// From the first record again, so often.
    Again,
    Store,
    /// Numbers of six digits, so many, from a place on; ascending unless the third argument says otherwise.
    Digits,
    /// Of a component: what becomes of the message.
    Dispose,
    /// Of a component: messages with many keys, see [`SEND`].
    Send,
    /// Of a component: a directory that was granted.
    Directory,
}

pub(crate) const OTHERS: [Other; 10] = [
    Other::Grow,
    Other::Fill,
    Other::Trap,
    Other::Spin,
    Other::Again,
    Other::Store,
    Other::Digits,
    Other::Dispose,
    Other::Send,
    Other::Directory,
];

/// A module, and what it can call.
pub(crate) struct Machine {
    pub(crate) module: Vec<u8>,
    pub(crate) functions: Vec<Function>,
    pub(crate) is_component: bool,
}

impl Machine {
    pub(crate) fn core() -> Machine {
        let functions: Vec<Function> = provided_functions()
            .filter(|(module, ..)| *module != V0_MODULES[1])
            .map(|(module, name, signature)| Function {
                name: name.into(),
                module: module.into(),
                params: signature.params.iter().map(|it| *it == ValueType::I64).collect(),
                result: signature.results.first().map(|it| *it == ValueType::I64),
                shapes: shapes_of(name, &signature.params),
                result_at: RESULT,
            })
            .collect();
        let module = text(&functions, CORE, SIX_DIGITS).into_bytes();
        Machine { module, functions, is_component: false }
    }

    pub(crate) fn component() -> Machine {
        let wit = WIT.replace("world processor {", &format!("world processor {{ {}", WASI.0)) + WASI.1;
        let functions = imports(&wit);
        let id = |name: &str| functions.iter().position(|it| it.name == name).expect("the world has it");
        let more = COMPONENT
            .replace("$len", &format!("$f{}", id("[method]batch.len")))
            .replace("$content", &format!("$f{}", id("[method]batch.content")))
            .replace("$drop_batch", &format!("$f{}", id("[resource-drop]batch")))
            .replace("$directories", &format!("$f{}", id("get-directories")));
        let module = with_types(&text(&functions, &more, &(SIX_DIGITS.to_owned() + SEND)), &wit);
        Machine { module, functions, is_component: true }
    }

    pub(crate) fn function(&self, name: &str) -> usize {
        self.functions.iter().position(|it| it.name.ends_with(name)).expect("it is one of them")
    }

    /// The number of an operation.
    pub(crate) fn row(&self, function: usize) -> usize {
        self.functions.len() + function
    }

    pub(crate) fn other(&self, other: Other) -> usize {
        2 * self.functions.len() + OTHERS.iter().position(|it| *it == other).expect("it is one of them")
    }
}

/// Of the functions for core modules whose parameters are no numbers: `K` is a key, `T` a text, `J` JSON, `P` a path,
/// `B` room, `O` a place for an answer, `F` a descriptor, `D` a directory, `V`
/// vectors.
const SHAPES: [(&str, &str); 38] = [
    ("v0_msg_set_bytes", "T"),
    ("v0_msg_get_meta", "K"),
    ("v0_msg_set_meta", "KT"),
    ("v1_content_read", "nB"),
    ("v1_content_write", "T"),
    ("v1_meta_get", "KB"),
    ("v1_meta_get_json", "KB"),
    ("v1_meta_set", "KT"),
    ("v1_meta_set_json", "KJ"),
    ("v1_meta_delete", "K"),
    ("v1_meta_keys", "B"),
    ("v1_error_get", "B"),
    ("v1_fail", "T"),
    ("v1_config_get", "KB"),
    ("v1_log", "nT"),
    ("v1_counter_add", "KN"),
    ("v1_random", "B"),
    ("random_get", "B"),
    ("args_get", "OO"),
    ("environ_get", "OO"),
    ("fd_read", "FVO"),
    ("fd_pread", "FVNO"),
    ("fd_write", "FVO"),
    ("fd_pwrite", "FVNO"),
    ("fd_readdir", "FBNO"),
    ("fd_seek", "FNnO"),
    ("fd_close", "F"),
    ("fd_prestat_dir_name", "FB"),
    ("path_open", "DnPnNNnO"),
    ("path_create_directory", "DP"),
    ("path_filestat_get", "DnPO"),
    ("path_link", "DnPDP"),
    ("path_readlink", "DPBO"),
    ("path_remove_directory", "DP"),
    ("path_rename", "DPDP"),
    ("path_symlink", "PDP"),
    ("path_unlink_file", "DP"),
    ("poll_oneoff", "OOnO"),
];

fn shapes_of(name: &str, params: &[ValueType]) -> Vec<Shape> {
    let letters = SHAPES.iter().find(|it| it.0 == name).map(|it| it.1);
    let Some(letters) = letters else {
        let of = |(idx, ty): (usize, &ValueType)| match ty {
            ValueType::I64 => Shape::Offset,
            _ if idx == 0 && name.starts_with("fd_") => Shape::Fd,
            _ if 0 < idx && idx + 1 == params.len() => Shape::Out(RESULT + 16),
            _ => Shape::Small,
        };
        return params.iter().enumerate().map(of).collect();
    };
    let of = |letter| match letter {
        'K' => Shape::Key,
        'T' => Shape::Text,
        'J' => Shape::Json,
        'P' => Shape::Path,
        'B' => Shape::Room,
        'O' => Shape::Out(if name == "path_open" { FILE } else { RESULT + 16 }),
        'F' => Shape::Fd,
        'D' => Shape::Directory,
        'V' => Shape::Vectors,
        'N' => Shape::Offset,
        _ => Shape::Small,
    };
    letters.chars().map(of).collect()
}

/// All that the world imports.
fn imports(wit: &str) -> Vec<Function> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("processor.wit", wit).expect("the WIT is right");
    let world = resolve.select_world(&[package], Some("processor")).expect("there is one");
    let mut functions = Vec::new();
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        let module = resolve.id_of(*id).expect("it has a name");
        let interface = &resolve.interfaces[*id];
        functions.extend(interface.functions.values().map(|it| imported(&resolve, &module, it)));
        for (name, ty) in &interface.types {
            let ty = &resolve.types[*ty];
            if matches!(ty.kind, TypeDefKind::Resource) && ty.owner == TypeOwner::Interface(*id) {
                functions.push(Function {
                    name: format!("[resource-drop]{name}"),
                    module: module.clone(),
                    params: vec![false],
                    result: None,
                    shapes: vec![Shape::Handle(place_of(name))],
                    result_at: RESULT,
                });
            }
        }
    }
    functions
}

/// Where the handle of a resource is.
fn place_of(resource: &str) -> u32 {
    match resource {
        "batch" => BATCH,
        "descriptor" => FILE,
        "input-stream" => INPUT,
        "output-stream" => OUTPUT,
        "directory-entry-stream" => ENTRIES,
        "pollable" => POLLABLE,
        _ => OTHER,
    }
}

fn imported(resolve: &Resolve, module: &str, function: &WitFunction) -> Function {
    let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
    let is_wide = |it: &WasmType| matches!(it, WasmType::I64 | WasmType::PointerOrI64);
    let mut shapes = Vec::new();
    for param in &function.params {
        shapes.extend(shapes_of_type(resolve, &param.name, &param.ty));
    }
    if function.name.ends_with("-at") || function.name.ends_with("read-directory") {
        shapes[0] = Shape::Handle(DIRECTORY);
    }
    let made = function.result.and_then(|ty| handle_of(resolve, &ty));
    if signature.retptr {
        shapes.push(Shape::Out(made.map_or(RESULT + 16, |it| it - 4)));
    }
    let n_params: usize = shapes.iter().map(|it| it.n_params()).sum();
    assert_eq!(n_params, signature.params.len(), "{}", function.name);
    Function {
        name: function.name.clone(),
        module: module.to_string(),
        params: signature.params.iter().map(is_wide).collect(),
        result: signature.results.first().map(is_wide),
        shapes,
        result_at: made.unwrap_or(RESULT),
    }
}

fn shapes_of_type(resolve: &Resolve, name: &str, ty: &Type) -> Vec<Shape> {
    let text = match name {
        "key" | "name" => Shape::Key,
        _ if name.contains("path") => Shape::Path,
        _ => Shape::Text,
    };
    match ty {
        Type::String => vec![text],
        Type::U64 | Type::S64 => vec![Shape::Offset],
        Type::U32 if name == "index" => vec![Shape::Handle(INDEX)],
        Type::Id(id) => match &resolve.types[*id].kind {
            TypeDefKind::Handle(Handle::Borrow(of) | Handle::Own(of)) => {
                vec![Shape::Handle(place_of(name_of(resolve, *of)))]
            }
            TypeDefKind::List(Type::U8) => vec![text],
            TypeDefKind::List(_) => vec![Shape::Vectors],
            // A value of metadata.
            TypeDefKind::Variant(_) => vec![Shape::Small, Shape::Json],
            TypeDefKind::Type(ty) => shapes_of_type(resolve, name, ty),
            _ => vec![Shape::Small],
        },
        _ => vec![Shape::Small],
    }
}

fn name_of(resolve: &Resolve, id: TypeId) -> &str {
    resolve.types[id].name.as_deref().unwrap_or_default()
}

/// The place for a handle that a function gives, by itself or in a result.
fn handle_of(resolve: &Resolve, ty: &Type) -> Option<u32> {
    let Type::Id(id) = ty else { return None };
    match &resolve.types[*id].kind {
        TypeDefKind::Handle(Handle::Own(of)) => Some(place_of(name_of(resolve, *of))),
        TypeDefKind::Result(result) => handle_of(resolve, &result.ok?),
        TypeDefKind::Type(ty) => handle_of(resolve, ty),
        _ => None,
    }
}

impl Shape {
    pub(crate) fn n_params(self) -> usize {
        match self {
            Shape::Key | Shape::Text | Shape::Json | Shape::Path | Shape::Room | Shape::Vectors => 2,
            _ => 1,
        }
    }
}

const CORE: &str = r#"
  (func (export "malloc") (param $n i32) (result i32)
    (if (i32.lt_u (i32.sub (call $bytes) (i32.const 0x10000)) (local.get $n)) (then (return (i32.const 0))))
    (i32.sub (call $bytes) (local.get $n)))
  (func (export "free") (param i32))
  (func $directory) (func $dispose_so) (func $send)
  (func (export "process")
    (drop (call $f_content_read (i32.const 0) (i32.const 0x1000) (i32.sub (call $bytes) (i32.const 0x1000))))
    (call $go))
"#;

/// The list of dispositions is at 0x400: a call has 256 messages at the most.
const COMPONENT: &str = r#"
  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (local $more i32)
    (if (global.get $apart) (then
      (local.set $more (global.get $apart))
      (global.set $apart (i32.and (i32.const -16) (i32.add (i32.const 15) (i32.add (global.get $apart) (local.get $new)))))
      (return (local.get $more))))
    (local.set $more (i32.sub (i32.add (i32.const 0x80000) (local.get $new)) (call $bytes)))
    (if (i32.lt_s (i32.const 0) (local.get $more)) (then
      (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $more) (i32.const 16)))))
        (then unreachable))))
    (i32.const 0x80000))
  (func (export "wappa:processor/transform@1.0.0#configure") (param i32 i32) (result i32)
    (i32.store (i32.const 0x80) (i32.const 0)) (i32.const 0x80))
  ;; All that the host gives is put at one place, unless this is another one: then each has its own.
  (global $apart (mut i32) (i32.const 0))
  (global $at (mut i32) (i32.const 0))
  (func $dispose (param $what i32) (param $ptr i32) (param $len i32)
    (i32.store (global.get $at) (local.get $what))
    (i32.store offset=4 (global.get $at) (local.get $ptr))
    (i32.store offset=8 (global.get $at) (local.get $len)))
  (func $dispose_so (call $dispose (call $a 0) (call $a 1) (call $a 2)))
  (func $send
    (call $sending (call $a 0) (call $a 1) (call $a 2) (call $a 3) (call $a 4) (call $a 5) (call $a 6)))
  (func $directory
    (global.set $apart (i32.const 0x68000))
    (call $directories (i32.const 0x80))
    (global.set $apart (i32.const 0))
    (i32.store (i32.const 0x184)
      (i32.load (i32.add (i32.load (i32.const 0x80)) (i32.mul (i32.const 12) (call $a 0))))))
  (func (export "wappa:processor/transform@1.0.0#process") (param $b i32) (result i32)
    (local $n i32) (local $i i32)
    (local.set $n (call $len (local.get $b)))
    (global.set $at (i32.const 0x70000))
    (loop $next
      (call $content (local.get $b) (local.get $i) (i32.const 0x80))
      (call $dispose (i32.const 0) (i32.const 0) (i32.const 0))
      (i32.store (i32.const 0x1000) (i32.const 0))
      (memory.copy (i32.const 0x1000) (i32.load (i32.const 0x80))
        (select (i32.load (i32.const 0x84)) (i32.const 0x60000)
          (i32.lt_u (i32.load (i32.const 0x84)) (i32.const 0x60000))))
      (i32.store (i32.const 0x190) (local.get $b))
      (i32.store (i32.const 0x194) (local.get $i))
      (call $go)
      (global.set $at (i32.add (global.get $at) (i32.const 12)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (call $drop_batch (local.get $b))
    (i32.store (i32.const 0x88) (i32.const 0x70000))
    (i32.store (i32.const 0x8c) (local.get $n))
    (i32.const 0x88))
"#;

/// Arguments are put at 0x200 before an operation is called.
const COMMON: &str = r#"
  (memory (export "memory") 16)
  (global $p (mut i32) (i32.const 0))
  (global $again (mut i32) (i32.const 0))
  (func $bytes (result i32) (i32.mul (memory.size) (i32.const 65536)))
  (func $arguments (local $i i32) (local $at i32) (local $to i32)
    (loop $next
      (local.set $at (i32.add (global.get $p) (i32.add (i32.const 16) (i32.shl (local.get $i) (i32.const 3)))))
      (local.set $to (i32.add (i32.const 0x200) (i32.shl (local.get $i) (i32.const 3))))
      (i64.store (local.get $to) (i64.load (local.get $at)))
      (if (i32.and (i32.const 1) (i32.shr_u (i32.load offset=8 (global.get $p)) (local.get $i)))
        (then (i64.store (local.get $to) (i64.extend_i32_u (i32.load (i32.load (local.get $at)))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 9)))))
  (func $go (local $end i32) (local $times i32)
    (global.set $again (i32.const 0))
    (global.set $p (i32.const 0x1008))
    (local.set $end
      (i32.add (i32.const 0x1008) (i32.mul (i32.const 96) (i32.rem_u (i32.load (i32.const 0x1000)) (i32.const 25)))))
    (block $done (loop $record
      (br_if $done (i32.ge_u (global.get $p) (local.get $end)))
      (local.set $times (i32.load offset=4 (global.get $p)))
      (loop $time
        (call $arguments)
        (call_indirect (i32.rem_u (i32.load (global.get $p)) (i32.const N_OPERATIONS)))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $time (i32.lt_s (i32.const 0) (local.get $times))))
      (global.set $p (i32.add (global.get $p) (i32.const 96)))
      (br $record))))
  (func $grow (i32.store (i32.const 0x100) (memory.grow (call $a 0))))
  (func $fill (memory.fill (call $a 0) (call $a 1) (call $a 2)))
  (func $trap unreachable)
  (func $spin (local $n i32)
    (local.set $n (call $a 0))
    (loop $next (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $repeat
    (if (i32.lt_u (global.get $again) (call $a 0)) (then
      (global.set $again (i32.add (global.get $again) (i32.const 1)))
      (global.set $p (i32.const 0xfa8)))))
  (func $store (i32.store (call $a 0) (call $a 1)))
  (func $digits (local $i i32)
    (loop $next
      (call $six_digits (i32.add (call $a 0) (i32.mul (i32.const 6) (local.get $i)))
        (if (result i32) (call $a 2)
          (then (i32.sub (i32.const 999999) (local.get $i))) (else (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (call $a 1)))))
"#;

fn text(functions: &[Function], process: &str, more: &str) -> String {
    let mut out = String::from("(module\n");
    let ty = |is_wide: bool| if is_wide { "i64" } else { "i32" };
    let list = |types: &[bool]| types.iter().map(|it| ty(*it)).collect::<Vec<_>>().join(" ");
    for (idx, Function { name, module, params, result, .. }) in functions.iter().enumerate() {
        let result = result.map_or(String::new(), |it| format!("(result {})", ty(it)));
        writeln!(out, "(import \"{module}\" \"{name}\" (func $f{idx} (param {}) {result}))", list(params))
            .expect("a string takes it");
    }
    let others = "$grow $fill $trap $spin $repeat $store $digits $dispose_so $send $directory";
    let n_operations = 2 * functions.len() + OTHERS.len();
    let mut operations = String::new();
    for kind in ["once", "row"] {
        for idx in 0..functions.len() {
            write!(operations, "${kind}{idx} ").expect("a string takes it");
        }
    }
    writeln!(out, "(table funcref (elem {operations} {others}))").expect("a string takes it");
    out += &COMMON.replace("N_OPERATIONS", &n_operations.to_string());
    let read = functions.iter().position(|it| it.name == "v1_content_read").unwrap_or_default();
    out += &process.replace("$f_content_read", &format!("$f{read}"));
    out += more;
    for (idx, function) in functions.iter().enumerate() {
        for (kind, times) in [("once", 1), ("row", ROW)] {
            let Function { params, result, .. } = function;
            let locals = format!("(local {} i32 i32)", list(params));
            writeln!(out, "(func ${kind}{idx} {locals}").expect("a string takes it");
            for (at, is_wide) in params.iter().enumerate() {
                writeln!(out, "i32.const {} {}.load local.set {at}", 0x200 + 8 * at, ty(*is_wide))
                    .expect("a string takes it");
            }
            // Of what is behind the handles.
            let strides = [params.len(), params.len() + 1];
            let n_handles = function.shapes.iter().take_while(|it| matches!(it, Shape::Handle(_))).count();
            for (at, stride) in strides.iter().enumerate() {
                writeln!(out, "global.get $p i32.load offset={} local.set {stride}", 88 + 4 * at)
                    .expect("a string takes it");
            }
            let mut call: String = (0..params.len()).map(|at| format!("local.get {at} ")).collect();
            if result.is_some() && times == 1 {
                // Where it goes is in the record.
                call = format!("global.get $p i32.load offset=12 {call}");
            }
            write!(call, "call $f{idx} ").expect("a string takes it");
            match result {
                Some(is_wide) if times == 1 => {
                    write!(call, "{}.store ", ty(*is_wide)).expect("a string takes it");
                }
                Some(_) => call.push_str("drop "),
                None => {}
            }
            for (at, is_wide) in params.iter().enumerate().skip(n_handles).take(2).filter(|_| 1 < times) {
                let widened = if *is_wide { "i64.extend_i32_s" } else { "" };
                let (stride, ty) = (strides[at - n_handles], ty(*is_wide));
                write!(call, "local.get {at} local.get {stride} {widened} {ty}.add local.set {at} ")
                    .expect("a string takes it");
            }
            out += &(call + "\n").repeat(times);
            out += ")\n";
        }
    }
    out += ")\n";
    // Arguments of the others are of 32 bits.
    for at in 0..7 {
        out = out.replace(&format!("(call $a {at})"), &format!("(i32.load (i32.const {}))", 0x200 + 8 * at));
    }
    out
}
