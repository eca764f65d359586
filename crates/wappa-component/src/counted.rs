//! Numbers of things, as all our texts say them.

use std::fmt::Display;

/// The number with the words for one of them or for several: `1 message was`, `2 messages were`.
pub fn counted<N: Display + PartialEq + From<u8>>(n: N, one: &str, several: &str) -> String {
    let words = if n == N::from(1) { one } else { several };
    format!("{n} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        let texts = [0, 1, 2].map(|it: u64| counted(it, "message was", "messages were"));
        assert_eq!(texts, ["0 messages were", "1 message was", "2 messages were"]);
    }
}
