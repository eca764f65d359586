//! All methods.

mod ciphers;
mod coercion;
mod compression;
mod decimals;
mod encoding;
mod escapes;
mod general;
mod jwt;
pub(crate) mod mappings;
mod msgpack;
mod numbers;
mod objects;
mod parsing;
mod periods;
mod regexp;
mod schema;
mod strings;
mod tables;
mod timestamps;
mod yaml;

use crate::registry::Method;

/// The methods of each file.
pub(crate) const TABLE: &[&[Method]] = &[
    general::METHODS,
    coercion::METHODS,
    strings::METHODS,
    numbers::METHODS,
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
    schema::METHODS,
    msgpack::METHODS,
    jwt::METHODS,
    mappings::METHODS,
];

/// The method that calls a map.
pub(crate) const APPLY: &Method = &general::APPLY;

/// What Bento has, and Wappa does not have yet.
pub(crate) const MISSING: &[&str] = &[
    "compare_argon2",
    "compare_bcrypt",
    "diff",
    "format_xml",
    "geoip_anonymous_ip",
    "geoip_asn",
    "geoip_city",
    "geoip_connection_type",
    "geoip_country",
    "geoip_domain",
    "geoip_enterprise",
    "geoip_isp",
    "json_path",
    "parse_jwt_es256",
    "parse_jwt_es384",
    "parse_jwt_es512",
    "parse_jwt_rs256",
    "parse_jwt_rs384",
    "parse_jwt_rs512",
    "parse_parquet",
    "parse_xml",
    "patch",
    "sign_jwt_es256",
    "sign_jwt_es384",
    "sign_jwt_es512",
    "sign_jwt_rs256",
    "sign_jwt_rs384",
    "sign_jwt_rs512",
    "slug",
];
