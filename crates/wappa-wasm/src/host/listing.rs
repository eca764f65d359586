//! What is in a directory, read piece by piece: a directory of a million files costs no more memory than one of a
//! hundred, and the time is looked at between two pieces.

use std::{
    collections::VecDeque,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use crate::{host::descriptors::Place, host::waiting::on_a_thread};

/// So many entries are read at once.
const ENTRIES: usize = 64;

/// Whether each entry comes with the number of its file, which costs a look at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    With,
    Without,
}

/// A directory that is being read. It has a descriptor of its own.
#[derive(Debug)]
pub(crate) struct Listing {
    directory: Arc<Mutex<Dir>>,
    numbers: Numbers,
    ready: VecDeque<Entry>,
    is_at_end: bool,
    /// How many entries were taken.
    at: u64,
    _place: Place,
}

/// One entry, which is neither the directory itself nor the one above.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: FileType,
    /// As wasmtime-wasi numbers files. 0 where nobody asked, and for a file that is gone meanwhile.
    pub(crate) number: u64,
}

impl Listing {
    /// Begins to read.
    pub(crate) async fn open(directory: Arc<File>, place: Place, numbers: Numbers) -> io::Result<Listing> {
        // The mounts themselves are open for nothing but to be a beginning of paths.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            on_a_thread(move || openat(&*directory, c".", flags, Mode::empty()).and_then(Dir::new)).await?;
        Ok(Listing {
            directory: Arc::new(Mutex::new(directory)),
            numbers,
            ready: VecDeque::new(),
            is_at_end: false,
            at: 0,
            _place: place,
        })
    }

    /// How many entries were taken.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The next entry, if there is another.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.ready.is_empty() && !self.is_at_end {
            let (directory, numbers) = (Arc::clone(&self.directory), self.numbers);
            // Looks at files are part of it: to change threads for each of them would cost many times as much.
            self.ready = on_a_thread(move || {
                read(&mut directory.lock().unwrap_or_else(PoisonError::into_inner), numbers)
            })
            .await?;
            self.is_at_end = self.ready.is_empty();
        }
        let entry = self.ready.pop_front();
        self.at += u64::from(entry.is_some());
        Ok(entry)
    }

    /// The entry that was taken last is the next one again.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.at -= 1;
        self.ready.push_front(entry);
    }
}

fn read(directory: &mut Dir, numbers: Numbers) -> io::Result<VecDeque<Entry>> {
    let mut entries = VecDeque::new();
    while let Some(entry) = directory.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let (mut kind, mut number) = (entry.file_type(), 0);
        // Not every file system says the kind here. A file that is gone meanwhile is of none any more.
        if (kind == FileType::Unknown || numbers == Numbers::With)
            && let Ok(stat) = statat(directory.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
        {
            kind = FileType::from_raw_mode(stat.st_mode);
            number = number_of(stat.st_dev, stat.st_ino);
        }
        entries.push_back(Entry { name: name.to_vec(), kind, number });
        if entries.len() == ENTRIES {
            break;
        }
    }
    Ok(entries)
}

/// The number that wasmtime-wasi gives to a file, in `fd_filestat_get` say.
fn number_of(device: u64, inode: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (device, inode).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_directory_is_small() {
        let path = std::env::temp_dir().join(format!("wappa-listing-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("it can be made");
        for n in 0..150 {
            File::create(path.join(n.to_string())).expect("it can be made");
        }
        let directory = File::open(&path).expect("it is there");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(&directory, c".", flags, Mode::empty()).and_then(Dir::new);
        let mut opened = opened.expect("it is a directory");
        let pieces = [(); 4].map(|()| read(&mut opened, Numbers::Without).expect("it can be read").len());
        std::fs::remove_dir_all(&path).expect("it is there");
        assert_eq!(pieces, [64, 64, 22, 0]);
    }
}
