//! Paths as text.

/// How much of a path is shown, in characters: messages make paths.
pub(crate) const SHOWN_MAX: usize = 200;

/// The path of a file that a text means; `below` is the field with the directory that it must not lead out of. The error
/// is why no file can ever have it.
pub(crate) fn of_file(text: &[u8], below: Option<&str>) -> Result<Vec<u8>, String> {
    let from = if below.is_some() { text.iter().take_while(|it| **it == b'/').count() } else { 0 };
    let path = clean(&text[from..]);
    let refused = |why: &str| Err(format!("open {}: {why}", shown(&path)));
    if path.contains(&0) {
        return refused("a path cannot have a NUL in it");
    }
    if let Some(field) = below
        && (path == b".." || path.starts_with(b"../"))
    {
        return refused(&format!("it leads out of `{field}`"));
    }
    if path == b"." || path == b"/" || path == b".." || path.ends_with(b"/..") {
        return refused("it is the path of a directory");
    }
    Ok(path)
}

/// A path for a text: short, in one line, and whatever it is made of.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(&path[..path.len().min(SHOWN_MAX * 4)]);
    let mut out = String::new();
    for (n, it) in text.chars().enumerate() {
        if n == SHOWN_MAX {
            out.push('…');
            break;
        }
        if it.is_control() { out.extend(it.escape_debug()) } else { out.push(it) }
    }
    out
}

/// The shortest path of the same meaning, found in its text alone; Go's `filepath.Clean`.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let is_rooted = path.first() == Some(&b'/');
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|it| *it == b'/') {
        match segment {
            b"" | b"." => (),
            b".." => match kept.last() {
                Some(last) if *last != b".." => {
                    kept.pop();
                }
                _ if is_rooted => (),
                _ => kept.push(b".."),
            },
            segment => kept.push(segment),
        }
    }
    let joined = kept.join(&b'/');
    match (is_rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_as_go_does() {
        for (path, expected) in [
            ("", "."),
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("../a/..", ".."),
            ("/../a/.", "/a"),
            ("/", "/"),
            ("a/b/../../..", ".."),
        ] {
            assert_eq!(clean(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }
}
