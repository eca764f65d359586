//! All methods.

mod changes;
mod ciphers;
mod coercion;
mod combine;
mod compression;
mod decimals;
mod encoding;
mod escapes;
mod general;
mod geoip;
mod jwt;
pub(crate) mod mappings;
mod msgpack;
mod numbers;
mod objects;
mod parsing;
mod paths;
mod periods;
mod regexp;
mod schema;
mod secrets;
mod slug;
mod strings;
mod tables;
mod timestamps;
mod xml;
mod yaml;

use crate::registry::Method;

/// The methods of each file.
pub(crate) const TABLE: &[&[Method]] = &[
    general::METHODS,
    coercion::METHODS,
    strings::METHODS,
    numbers::METHODS,
    combine::METHODS,
    objects::METHODS,
    regexp::METHODS,
    timestamps::METHODS,
    parsing::METHODS,
    encoding::METHODS,
    escapes::METHODS,
    tables::METHODS,
    yaml::METHODS,
    periods::METHODS,
    ciphers::METHODS,
    compression::METHODS,
    decimals::METHODS,
    paths::METHODS,
    schema::METHODS,
    msgpack::METHODS,
    jwt::METHODS,
    secrets::METHODS,
    xml::METHODS,
    changes::METHODS,
    slug::METHODS,
    geoip::METHODS,
    mappings::METHODS,
];

/// The method that calls a map.
pub(crate) const APPLY: &Method = &general::APPLY;

/// What Bento has, and Wappa does not have yet.
pub(crate) const MISSING: &[&str] = &["parse_parquet"];
