//! Where a guest was in its source when it failed, as its debug sections say.

use std::collections::HashMap;

use wappa_wasm::{CallError, ChildCompiler};

/// Looks for lines of the source of one module, for each offset once. They are read in a process that is limited: debug
/// sections are hostile like all of a module.
pub(super) struct Places {
    reader: ChildCompiler,
    file: Vec<u8>,
    known: HashMap<u64, Vec<String>>,
    /// The module has no lines, or they cannot be read.
    is_over: bool,
}

impl Places {
    pub(super) fn new(reader: ChildCompiler, file: Vec<u8>) -> Places {
        Places { reader, file, known: HashMap::new(), is_over: false }
    }

    /// The call stack of a failure, innermost first, each frame with its places in the source where they are known; and
    /// why they are not, the first time.
    pub(super) fn stack(&mut self, err: &CallError) -> (Vec<String>, Option<String>) {
        let problem = self.look_for(err).err();
        let frames = err.frames().iter().enumerate().map(|(idx, frame)| {
            let places = frame.offset().and_then(|it| self.known.get(&it));
            let places = places.into_iter().flatten().map(|it| format!(" at {it}"));
            format!("{idx}: {frame}{}", places.collect::<String>())
        });
        (frames.collect(), problem)
    }

    fn look_for(&mut self, err: &CallError) -> Result<(), String> {
        let offsets = err.frames().iter().filter_map(|it| it.offset());
        let offsets: Vec<u64> = offsets.filter(|it| !self.known.contains_key(it)).collect();
        if self.is_over || offsets.is_empty() {
            return Ok(());
        }
        let lines = self.reader.source_lines(&self.file, &offsets);
        self.is_over = !matches!(lines, Ok(Some(_)));
        self.known.extend(offsets.into_iter().zip(lines?.unwrap_or_default()));
        Ok(())
    }
}
