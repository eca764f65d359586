//! What is run: mappings as people write them, what stands around them, and the configs of their streams.

use std::{fmt, fs, path::Path};

use crate::Result;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Wappa,
    Bento,
    /// A plain program with `serde_json`.
    ByHand,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Wappa => "wappa",
            Who::Bento => "bento",
            Who::ByHand => "by hand",
        }
    }
}

/// What is done with each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Nothing.
    Bare,
    /// Fields are renamed and dropped.
    Rename,
    /// By a condition; nothing is filtered.
    Filter,
    /// With the time and a random name.
    Enrich,
    /// Elements of a list, by cases.
    MapEach,
    /// A line of a log, by a regular expression.
    Parse,
    /// Metadata alone.
    Metadata,
    /// A mapping that asks for one field, as the condition of a case does.
    Check,
    /// Ten cases, of which the last is met.
    Switch,
    /// A cache is set with one key.
    Cache,
    /// With a key that is made of the message.
    CacheWithKey,
    /// A mapping that puts a field into the metadata.
    Key,
    /// A guest that writes back what it reads.
    Wasm,
    /// The same in a `branch`.
    BranchWithWasm,
    /// The mapping by which a `branch` begins.
    Request,
    /// The mapping by which it ends.
    Result,
}

use Load::{
    Bare, BranchWithWasm, Cache, CacheWithKey, Check, Enrich, Filter, Key, MapEach, Metadata, Parse, Rename,
    Request, Switch, Wasm,
};

/// A module that writes back what it reads.
const IDENTITY: &str = include_str!("../../../wappa-wasm/benches/guests/identity.wat");

impl Load {
    pub(crate) const ALL: [Load; 16] = [
        Bare,
        Rename,
        Filter,
        Enrich,
        MapEach,
        Parse,
        Metadata,
        Check,
        Switch,
        Cache,
        CacheWithKey,
        Key,
        Wasm,
        BranchWithWasm,
        Request,
        Load::Result,
    ];

    /// The mappings as people write them.
    pub(crate) const MAPPINGS: [Load; 6] = [Rename, Filter, Enrich, MapEach, Parse, Metadata];

    /// What is composed of others is measured at one size.
    pub(crate) fn is_at(self, size: usize) -> bool {
        self == Bare || Load::MAPPINGS.contains(&self) || size == 200
    }

    /// The word for it on a command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Bare => "bare",
            Rename => "rename",
            Filter => "filter",
            Enrich => "enrich",
            MapEach => "map_each",
            Parse => "parse",
            Metadata => "metadata",
            Check => "check",
            Switch => "switch",
            Cache => "cache",
            CacheWithKey => "cache with key",
            Key => "key",
            Wasm => "wasm",
            BranchWithWasm => "branch with wasm",
            Request => "request",
            Load::Result => "result",
        }
    }

    pub(crate) fn is_random(self) -> bool {
        self == Enrich
    }

    fn has_yardstick(self) -> bool {
        matches!(self, Rename | Filter | Enrich | MapEach | Parse)
    }

    fn processors(self) -> String {
        let mapping = |text: &str| format!("[{{ mapping: {text:?} }}]");
        let wasm = "{ wasm: { module_path: identity.wasm } }";
        match self {
            Bare => "[]".to_string(),
            Rename => mapping("root = this.without(\"type\", \"message\")\nroot.kind = this.type"),
            Filter => mapping(r#"root = if this.type == "x" { deleted() }"#),
            Enrich => mapping("root = this\nroot.id = uuid_v4()\nroot.at = now()"),
            MapEach => mapping(
                "root.tags = this.tags.map_each(it -> match it { this == \"new\" => 1, this == \"sale\" => 2, _ => 0 })\n\
                 root.type = this.type",
            ),
            Parse => mapping(&format!("root = this.line.re_find_object({:?})", crate::by_hand::LINE)),
            Metadata => mapping("meta kind = \"order\"\nmeta key = @kind.or(\"none\")"),
            Check => mapping(r#"root = if this.type == "kind 0" { deleted() }"#),
            Switch => {
                let cases: Vec<String> = (0..9)
                    .map(|it| format!("{{ check: 'this.type == \"kind {it}\"', processors: [{{ mapping: 'root = 1' }}] }}"))
                    .collect();
                let last = "{ check: 'this.type == \"order\"', processors: [noop: {}] }";
                format!("[{{ switch: [{}, {last}] }}]", cases.join(", "))
            }
            Cache => cache("key"),
            CacheWithKey => cache("${! this.type }"),
            Key => mapping("meta key = this.type"),
            Wasm => format!("[{wasm}]"),
            BranchWithWasm => format!(
                "[{{ branch: {{ request_map: 'root = this.tags', processors: [{wasm}], result_map: 'root.again = this' }} }}]"
            ),
            Request => mapping("root = this.tags"),
            Load::Result => mapping("root = this\nroot.again = this.tags"),
        }
    }
}

fn cache(key: &str) -> String {
    format!("[{{ cache: {{ resource: kept, operator: set, key: '{key}', value: x }} }}]")
}

/// One configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) load: Load,
    pub(crate) size: usize,
    pub(crate) batch: usize,
    pub(crate) who: Who,
}

/// All configurations that are run side by side.
pub(crate) fn of(load: Load, size: usize, has_bento: bool) -> Vec<Case> {
    let case = |batch, who| Case { load, size, batch, who };
    let is_mapping = load == Bare || Load::MAPPINGS.contains(&load);
    let batches: &[usize] = if is_mapping { &[1, 100] } else { &[1] };
    let mut all: Vec<Case> = batches.iter().map(|batch| case(*batch, Who::Wappa)).collect();
    if load.has_yardstick() {
        all.push(case(1, Who::ByHand));
    }
    if has_bento && is_mapping {
        all.extend(batches.iter().map(|batch| case(*batch, Who::Bento)));
    }
    all
}

impl Case {
    /// The config, the same for Wappa and Bento.
    pub(crate) fn config(&self, dir: &Path, input: &Path, output: &Path) -> Result<String> {
        if matches!(self.load, Wasm | BranchWithWasm) {
            fs::write(dir.join("identity.wasm"), wat::parse_str(IDENTITY)?)?;
        }
        let file = format!("file: {{ paths: [{:?}] }}", input.display().to_string());
        let input = match self.batch {
            1 => format!("  {file}\n"),
            count => format!("  batched:\n    child:\n      {file}\n    policy: {{ count: {count} }}\n"),
        };
        Ok(format!(
            "http: {{ enabled: false }}\nlogger: {{ level: ERROR }}\nmetrics: {{ none: {{}} }}\n\
             cache_resources: [{{ label: kept, memory: {{}} }}]\ninput:\n{input}\
             pipeline:\n  threads: 1\n  processors: {}\noutput:\n  file: {{ path: {:?}, codec: lines }}\n",
            self.load.processors(),
            output.display().to_string(),
        ))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B, {}, batches of {}, {}", self.size, self.load, self.batch, self.who.name())
    }
}
