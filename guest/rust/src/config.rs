//! The processor's field `config`.

use std::str::FromStr;

use crate::{host, Result};

/// The field `config` of the processor in the stream's config: texts by name.
///
/// Keep it in your processor if you look keys up later; a clone costs next to nothing.
#[derive(Clone, Debug)]
pub struct Config(pub(crate) host::Config);

impl Config {
    /// The value of a key. `None` when it is missing, which is something else than empty.
    pub fn get(&self, key: &str) -> Option<String> {
        self.0.get(key)
    }

    /// The value of a key as another type, `None` when it is missing.
    ///
    /// The error names the key, so that you can pass it on as it is:
    ///
    /// ```
    /// use wappa_guest::{Config, Result};
    ///
    /// fn limit(config: &Config) -> Result<usize> {
    ///     Ok(config.parse("limit")?.unwrap_or(10))
    /// }
    /// ```
    pub fn parse<T>(&self, key: &str) -> Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse() {
            Ok(it) => Ok(Some(it)),
            Err(err) => Err(format!("config `{key}` is `{text}`: {err}").into()),
        }
    }
}
