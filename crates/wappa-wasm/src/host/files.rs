//! The files that an instance has open.

use std::{
    collections::HashMap,
    fs::File,
    sync::{Arc, Weak},
};

use wasmtime_wasi::{
    ResourceTable,
    filesystem::{Descriptor, WasiFilesystemCtxView},
    p2::bindings::filesystem::preopens::Host as Preopens,
};

use super::{
    descriptors::{Descriptors, FILES_MAX, Place},
    listing::Listing,
};

/// The number of the first mount: the standard streams are before it.
const FIRST_MOUNT: u32 = 3;

/// The files that one instance has open.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Those that were counted, by their addresses, and the mounts.
    known: HashMap<usize, Weak<File>>,
    /// Of preview 1: directories by their numbers, and what was read of them so far.
    directories: HashMap<u32, Weak<File>>,
    pub(crate) listings: HashMap<u32, Listing>,
    /// Of WASI 0.2: the places of streams, by their numbers in the table.
    pub(crate) streams: HashMap<u32, Place>,
}

impl Files {
    /// The mounts are there from the beginning and count for nobody.
    pub(crate) fn mounted(&mut self, files: &mut WasiFilesystemCtxView<'_>) -> wasmtime::Result<()> {
        for (number, (mount, _)) in (FIRST_MOUNT..).zip(files.get_directories()?) {
            if let Descriptor::Dir(mount) = files.table.delete(mount)? {
                self.known.insert(address(&mount.dir), Arc::downgrade(&mount.dir));
                self.directories.insert(number, Arc::downgrade(&mount.dir));
            }
        }
        Ok(())
    }

    /// Counts what was opened, which preview 1 knows by this number.
    pub(crate) fn opened(&mut self, table: &mut ResourceTable, descriptors: &Descriptors, number: u32) {
        if FILES_MAX <= self.known.len() {
            self.known.retain(|_, it| 0 < it.strong_count());
        }
        self.listings.remove(&number);
        self.directories.remove(&number);
        for descriptor in table.iter_mut().filter_map(|it| it.downcast_ref::<Descriptor>()) {
            let (file, is_directory) = file_of(descriptor);
            if self.known.contains_key(&address(file)) {
                continue;
            }
            descriptors.count(file);
            self.known.insert(address(file), Arc::downgrade(file));
            if is_directory {
                self.directories.insert(number, Arc::downgrade(file));
            }
        }
    }

    pub(crate) fn closed(&mut self, number: u32) {
        self.directories.remove(&number);
        self.listings.remove(&number);
    }

    pub(crate) fn renumbered(&mut self, from: u32, to: u32) {
        if from != to {
            self.closed(to);
            self.listings.remove(&from);
            if let Some(directory) = self.directories.remove(&from) {
                self.directories.insert(to, directory);
            }
        }
    }

    /// A directory as wasmtime-wasi has it.
    pub(crate) fn directory(&self, table: &mut ResourceTable, number: u32) -> Option<Descriptor> {
        let known = self.directories.get(&number)?;
        table
            .iter_mut()
            .filter_map(|it| it.downcast_ref::<Descriptor>())
            .find(|it| Weak::as_ptr(known) == Arc::as_ptr(file_of(it).0))
            .cloned()
    }
}

pub(crate) fn file_of(descriptor: &Descriptor) -> (&Arc<File>, bool) {
    match descriptor {
        Descriptor::File(file) => (&file.file, false),
        Descriptor::Dir(directory) => (&directory.dir, true),
    }
}

/// Nothing else has it as long as somebody holds so much as a `Weak` of it.
fn address(file: &Arc<File>) -> usize {
    Arc::as_ptr(file).addr()
}
