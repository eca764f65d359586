//! Heap allocations of whole streams, counted from inside: a run of 2N messages less a run of N leaves what a message
//! costs in the steady state. What remains is per parcel.
#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(unsafe_code, reason = "a global allocator that counts is unsafe to write")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wappa_component::{Logger, Metrics, Services};
use wappa_engine::{BuildRequest, Setting, World};
use wappa_spec::{LintOptions, Source, Spec};
use wappa_wasm::{Engine, EngineConfig};

/// Counts what it passes on.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; `ptr` came from there.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESSAGES: u64 = 50_000;
/// A parcel has some allocations of its own; a message has none.
const ALLOCATIONS_PER_PARCEL_MAX: f64 = 40.0;
/// With a guest parcels are cut into parts of about a millisecond, which in a build without optimization on a busy
/// machine are some dozens of messages. One allocation per message would be twice this.
const ALLOCATIONS_WITH_GUEST_MAX: f64 = 0.5;
const PARCEL_MESSAGES: f64 = 256.0;
/// The engine cuts parcels where messages seem to take long, as they do while the machine is busy with something else.
/// So each length is run again and the least counts, until what a message costs is below the bound.
const ATTEMPTS: usize = 8;

/// The one test of this process: another one beside it would be counted too.
#[test]
fn messages_allocate_nothing_of_their_own() {
    let dir = env::temp_dir().join(format!("wappa-allocations-{}", process::id()));
    fs::create_dir_all(&dir).unwrap();
    let once = lines(&dir.join("once"), MESSAGES);
    let twice = lines(&dir.join("twice"), 2 * MESSAGES);
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/upper.wat");
    let wasm = format!("[wasm: {{ module_path: {:?} }}]", guest.display().to_string());
    let mut wrong = Vec::new();
    let cases = [
        ("[]", 1, 1),
        ("[]", 1, 2),
        ("[]", 100, 1),
        ("[]", 100, 2),
        // Parts of two threads on one core would be a matter of chance.
        (wasm.as_str(), 1, 1),
        (wasm.as_str(), 100, 1),
    ];
    for (processors, count, threads) in cases {
        let config = |input| config(input, &dir.join("output"), processors, count, threads);
        let bound = match (processors, count) {
            ("[]", 1) => ALLOCATIONS_PER_PARCEL_MAX / PARCEL_MESSAGES,
            ("[]", _) => ALLOCATIONS_PER_PARCEL_MAX / f64::from(count),
            _ => ALLOCATIONS_WITH_GUEST_MAX,
        };
        let (mut n, mut n2) = (u64::MAX, u64::MAX);
        let is_good = (0..ATTEMPTS).any(|_| {
            n = n.min(allocations_of(&config(&once)));
            n2 = n2.min(allocations_of(&config(&twice)));
            let each = (n2 as f64 - n as f64) / MESSAGES as f64;
            eprintln!("{processors}, batches of {count}, {threads} threads: {n}, {n2}: {each:.4} each");
            (0.0..bound).contains(&each)
        });
        if !is_good {
            wrong.push((processors, count, threads));
        }
    }
    fs::remove_dir_all(&dir).unwrap();
    assert!(wrong.is_empty(), "messages allocate: {wrong:?}");
}

/// A file of so many lines of 100 bytes.
fn lines(path: &Path, count: u64) -> PathBuf {
    let text: String = (0..count).map(|it| format!("{it:0>50}{it:x>50}\n")).collect();
    fs::write(path, text).unwrap();
    path.to_path_buf()
}

fn config(input: &Path, output: &Path, processors: &str, count: u32, threads: usize) -> String {
    let file = format!("file: {{ paths: [{:?}], scanner: {{ lines: {{}} }} }}", input.display().to_string());
    let input = match count {
        1 => file,
        _ => format!("batched: {{ child: {{ {file} }}, policy: {{ count: {count} }} }}"),
    };
    let output = format!("file: {{ path: {:?}, codec: lines }}", output.display().to_string());
    format!(
        "input: {{ {input} }}\npipeline: {{ threads: {threads}, processors: {processors} }}\noutput: {{ {output} }}\n"
    )
}

/// Builds and runs a stream as the program does, and counts the allocations of all of it.
fn allocations_of(config: &str) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let registry: Vec<&'static Spec> = wappa::table().iter().map(|it| &it.spec).collect();
    let source = Source::read(config.as_bytes(), |_| None).unwrap();
    let config = source.stream(&registry, LintOptions::default()).into_result().unwrap();
    let setting = Setting::new(&World::real().unwrap()).unwrap();
    let mut services = Services::default();
    services.insert(Arc::new(Engine::new(EngineConfig::default()).unwrap()));
    let request = BuildRequest {
        config: &config,
        components: wappa::table(),
        registry: &registry,
        logger: Logger::silent(),
        metrics: Metrics::default(),
        services,
        setting: &setting,
    };
    let (stream, tally) = wappa_engine::build(request).unwrap();
    stream.run().unwrap();
    assert_eq!(tally.undelivered(), 0);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}
