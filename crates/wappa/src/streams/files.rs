//! Files with streams: which there are, and what each stream is called.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wappa_component::cause;

use crate::globs;

/// A file with a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamFile {
    /// What the stream is called.
    pub(super) id: String,
    /// Where its config is.
    pub(super) path: PathBuf,
}

/// The files that paths and patterns name, and those in folders that they name, in order. The error names the file.
pub(super) fn find(patterns: &[String], files_max: usize) -> Result<Vec<StreamFile>, String> {
    let mut found: Vec<StreamFile> = Vec::new();
    for path in globs::expand(patterns)? {
        let shown = path.display().to_string();
        let metadata = fs::metadata(&path).map_err(|err| format!("stat {shown}: {}", cause(&err)))?;
        if !metadata.is_dir() {
            let name = Path::new(path.file_name().unwrap_or(path.as_os_str()));
            add(&mut found, id_of(name), path.clone())?;
            continue;
        }
        let mut below = Vec::new();
        globs::walk(&path, &mut below)?;
        for file in below {
            let id = id_of(below_of(&path, &file));
            if !id.ends_with("_bento_test") && !id.ends_with("_wappa_test") {
                add(&mut found, id, file)?;
            }
        }
    }
    match found.len() <= files_max {
        true => Ok(found),
        false => {
            Err(format!("there are {} files, and at most {files_max} streams (`--max-streams`)", found.len()))
        }
    }
}

fn add(found: &mut Vec<StreamFile>, id: String, path: PathBuf) -> Result<(), String> {
    let shown = path.display().to_string();
    let failed = |text: String| Err(format!("failed to load config '{shown}': {text}"));
    if let Err(text) = super::set::check_id(&id) {
        return failed(text);
    }
    if found.iter().any(|it| it.id == id) {
        return failed(format!("stream id ({id}) collision from file: {shown}"));
    }
    found.push(StreamFile { id, path });
    Ok(())
}

/// The path of a file as seen from a folder above it. Either may be written with `./` in front.
fn below_of<'a>(folder: &Path, file: &'a Path) -> &'a Path {
    let (folder, file) = (folder.strip_prefix(".").unwrap_or(folder), file.strip_prefix(".").unwrap_or(file));
    file.strip_prefix(folder).unwrap_or(file)
}

/// The path without its ending, in one word.
fn id_of(path: &Path) -> String {
    let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    let path = if is_yaml { path.with_extension("") } else { path.to_path_buf() };
    path.to_string_lossy().trim_start_matches("./").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_called_as_its_file() {
        let of = |path: &str| id_of(Path::new(path));
        assert_eq!(
            ["a.yaml", "sub/bar.yml", "a.b.yaml", "x.txt", ".hid.yaml"].map(of),
            ["a", "sub_bar", "a.b", "x.txt", ".hid"]
        );
    }

    #[test]
    fn a_folder_is_no_part_of_the_name() {
        let of = |folder: &str, file: &str| id_of(below_of(Path::new(folder), Path::new(file)));
        for (folder, file) in [
            ("streams", "streams/eu/a.yaml"),
            ("./streams", "streams/eu/a.yaml"),
            ("./streams/", "./streams/eu/a.yaml"),
            ("/etc/streams", "/etc/streams/eu/a.yaml"),
            ("../streams", "../streams/eu/a.yaml"),
            (".", "eu/a.yaml"),
            (".", "./eu/a.yaml"),
        ] {
            assert_eq!(of(folder, file), "eu_a", "{folder} {file}");
        }
    }

    #[test]
    fn folders_are_walked_and_names_are_unique() {
        let dir = std::env::temp_dir().join(format!("wappa-streams-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/sub")).expect("it can be made");
        for name in ["a/one.yaml", "a/sub/two.yml", "a/one_bento_test.yaml", "a/no.json", "one.yaml"] {
            fs::write(dir.join(name), "{}").expect("it can be written");
        }
        let path = |name: &str| dir.join(name).display().to_string();
        let ids = |paths: &[String], max| {
            find(paths, max).map(|it| it.into_iter().map(|it| it.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(&[path("a")], 9), Ok(vec!["one".to_string(), "sub_two".to_string()]));
        let collision = ids(&[path("a"), path("one.yaml")], 9).expect_err("two are called alike");
        assert!(collision.contains("stream id (one) collision from file: "), "{collision}");
        assert!(ids(&[path("a")], 1).expect_err("they are too many").contains("--max-streams"));
        let missing = ids(&[path("nope")], 9).expect_err("it is not there");
        assert!(missing.ends_with("nope: no such file or directory"), "{missing}");
        fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
