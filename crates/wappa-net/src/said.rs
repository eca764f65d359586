//! What a server says, as logs and errors tell it: of bounded length, and without what it was told in confidence.

use wappa_spec::SCRUBBED;

/// The most that is told of what a server says; behind it nobody reads on.
const SAID_MAX: usize = 4096;

/// The words of a server. Servers repeat what they do not understand, passwords too: `secrets` are taken out.
pub fn said<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut told = text.to_string();
    for secret in secrets.into_iter().filter(|it| !it.is_empty()) {
        told = told.replace(secret, SCRUBBED);
    }
    // Only now: a secret that is cut in two would not be found.
    if SAID_MAX < told.len() {
        let n_bytes = told.len();
        told.truncate(told.floor_char_boundary(SAID_MAX));
        told.push_str(&format!("… ({n_bytes} bytes)"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_is_too_long_are_not_told() {
        assert_eq!(said("no such user", []), "no such user");
        let echo = "ERR unknown command `AUTH`, with args beginning with: `ann`, `s3cret`,";
        assert_eq!(
            said(echo, ["s3cret", ""]),
            "ERR unknown command `AUTH`, with args beginning with: `ann`, `!!!SECRET_SCRUBBED!!!`,"
        );
        let long = format!("{}s3cret{}", "é".repeat(2046), "x".repeat(100_000));
        let told = said(&long, ["s3cret"]);
        assert!(told.len() < 5000 && !told.contains("s3c"), "{told}");
        assert!(told.ends_with(" bytes)"), "{told}");
    }
}
