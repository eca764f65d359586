//! Reads what streams are made of: files, and what comes by requests.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use wappa_component::{NotRead, read_file};
use wappa_spec::{ComponentKind, ComponentNode, Lint, Source, StreamPart};
use wappa_wasm::processor::place_of;

use super::{super::files::StreamFile, Streams};
use crate::{
    config::{Finding, Reading},
    wasm,
};

/// No config is that big.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The config of a stream, read and linted.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    /// What it says.
    pub(crate) part: StreamPart,
    /// The tree that it was read from.
    pub(crate) source: Source,
    /// What its file and those of its modules are known by, where they may be watched.
    pub(crate) stamp: Option<String>,
}

impl Submitted {
    /// The same, known by its text and by the files of its modules as they are now.
    fn stamped(self) -> Submitted {
        let mut stamp = self.source.text.clone();
        for path in self.modules() {
            let known = fs::metadata(&path).map(|it| (it.len(), it.ino(), it.mtime(), it.mtime_nsec())).ok();
            stamp += &format!("\n{path:?} {known:?}");
        }
        Submitted { stamp: Some(stamp), ..self }
    }

    /// The files of the modules that it names.
    pub(crate) fn modules(&self) -> Vec<PathBuf> {
        let StreamPart { input, pipeline, output, .. } = &self.part;
        let nodes: Vec<&ComponentNode> = [input, output].into_iter().chain(&pipeline.processors).collect();
        wasm::module_paths_of(&nodes).iter().map(|(path, dir)| place_of(path, dir.as_deref())).collect()
    }
}

/// What reading a config gave.
#[derive(Debug)]
pub(crate) struct Read {
    /// The config, where sense can be made of it.
    pub(crate) submitted: Option<Submitted>,
    /// What is wrong with it.
    pub(crate) findings: Vec<Finding>,
}

/// What a request says, with its lints; or, where no sense can be made of it, these alone.
pub(crate) type Found<T> = Result<(Option<T>, Vec<Lint>), Vec<Lint>>;

impl Streams {
    /// Reads the config of a file. The error is one of this program.
    pub(crate) fn read_file(&self, file: &StreamFile) -> Result<Read, String> {
        let shown = file.path.display().to_string();
        let bytes = read_file(&file.path, FILE_BYTES_MAX).map_err(|NotRead { step, cause }| {
            format!("Stream configuration file read error: failed to load config '{shown}': {step} {shown}: {cause}")
        })?;
        self.around.with_reading(false, |reading| {
            let (read, source, findings) = reading.part(&shown, file.path.parent(), &bytes);
            let submitted =
                read.zip(source).map(|(part, source)| Submitted { part, source, stamp: None }.stamped());
            Read { submitted, findings }
        })
    }

    /// Reads what came by a request, which `source_of` makes a tree of: with its lints, where there is one.
    pub(crate) fn read_posted(
        &self,
        source_of: impl FnOnce(&Reading<'_>) -> Result<Source, Vec<Lint>>,
    ) -> Result<Found<Submitted>, String> {
        let _building = self.begin_building().map_err(|it| it.to_string())?;
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| {
            let source = source_of(reading)?;
            let linted = source.part(reading.registry, reading.options, false);
            Ok((linted.config.map(|part| Submitted { part, source, stamp: None }), linted.lints))
        })
    }

    /// Reads a resource that came by a request.
    pub(crate) fn read_resource(
        &self,
        kind: ComponentKind,
        body: &[u8],
    ) -> Result<Found<ComponentNode>, String> {
        let _building = self.begin_building().map_err(|it| it.to_string())?;
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| {
            let source = reading.source(body, None)?;
            let linted = source.resource(kind, reading.registry, reading.options);
            Ok((linted.config, linted.lints))
        })
    }

    /// A source of a request's body, of which parts may be configs.
    pub(crate) fn source_of(&self, body: &[u8]) -> Result<Result<Source, Vec<Lint>>, String> {
        self.around.with_reading(self.around.bounds.is_api_restricted, |reading| reading.source(body, None))
    }
}
