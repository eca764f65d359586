//! Places of addresses, and who they belong to, by a file that the user gives.

use std::{net::IpAddr, path::Path};

use wappa_message::Value;

use crate::{
    environment::Environment,
    error::{Error, Result, shown},
    formats::mmdb::Reader,
    registry::{
        Category, Example, Method, Param,
        args::Given,
        bound::{MethodBody, PreparedMethod},
        example,
    },
    value::{convert, go},
};

/// What one of the methods gives: always all of these fields, as Bento has them.
enum Shape {
    Text,
    /// A whole number.
    Number,
    /// Degrees, and scores.
    Float,
    Flag,
    /// Texts by language.
    Names,
    /// These fields, each with its name in the file and the one that it has here.
    Fields(&'static [(&'static str, &'static str, Shape)]),
    List(&'static Shape),
}

use Shape::{Fields, Flag, Float, List, Names, Number, Text as Word};

const CODE: (&str, &str, Shape) = ("code", "Code", Word);
const CONFIDENCE: (&str, &str, Shape) = ("confidence", "Confidence", Number);
const GEO_NAME_ID: (&str, &str, Shape) = ("geoname_id", "GeoNameID", Number);
const IN_EUROPE: (&str, &str, Shape) = ("is_in_european_union", "IsInEuropeanUnion", Flag);
const ISO_CODE: (&str, &str, Shape) = ("iso_code", "IsoCode", Word);
const NAMES: (&str, &str, Shape) = ("names", "Names", Names);
const PROXY: (&str, &str, Shape) = ("is_anonymous_proxy", "IsAnonymousProxy", Flag);
const SATELLITE: (&str, &str, Shape) = ("is_satellite_provider", "IsSatelliteProvider", Flag);

const CONTINENT: (&str, &str, Shape) = ("continent", "Continent", Fields(&[NAMES, CODE, GEO_NAME_ID]));
const COUNTRY: Shape = Fields(&[NAMES, ISO_CODE, GEO_NAME_ID, IN_EUROPE]);
const SURE_COUNTRY: Shape = Fields(&[NAMES, ISO_CODE, GEO_NAME_ID, CONFIDENCE, IN_EUROPE]);
const REPRESENTED: (&str, &str, Shape) = (
    "represented_country",
    "RepresentedCountry",
    Fields(&[NAMES, ISO_CODE, ("type", "Type", Word), GEO_NAME_ID, IN_EUROPE]),
);
const LOCATION: (&str, &str, Shape) = (
    "location",
    "Location",
    Fields(&[
        ("time_zone", "TimeZone", Word),
        ("latitude", "Latitude", Float),
        ("longitude", "Longitude", Float),
        ("metro_code", "MetroCode", Number),
        ("accuracy_radius", "AccuracyRadius", Number),
    ]),
);
const SYSTEM_ORGANIZATION: (&str, &str, Shape) =
    ("autonomous_system_organization", "AutonomousSystemOrganization", Word);
const SYSTEM_NUMBER: (&str, &str, Shape) = ("autonomous_system_number", "AutonomousSystemNumber", Number);
const MOBILE_COUNTRY: (&str, &str, Shape) = ("mobile_country_code", "MobileCountryCode", Word);
const MOBILE_NETWORK: (&str, &str, Shape) = ("mobile_network_code", "MobileNetworkCode", Word);
const ORGANIZATION: (&str, &str, Shape) = ("organization", "Organization", Word);

/// What a method looks up, and in which kinds of files it is found.
struct Lookup {
    /// Its name in errors.
    name: &'static str,
    shape: Shape,
    kinds: &'static [&'static str],
}

const OF_CITY: &[&str] = &[
    "DBIP-City-Lite",
    "DBIP-Country-Lite",
    "DBIP-Country",
    "DBIP-Location (compat=City)",
    "GeoLite2-City",
    "GeoIP2-City",
    "GeoIP2-City-Africa",
    "GeoIP2-City-Asia-Pacific",
    "GeoIP2-City-Europe",
    "GeoIP2-City-North-America",
    "GeoIP2-City-South-America",
    "GeoIP2-Precision-City",
    "GeoLite2-Country",
    "GeoIP2-Country",
    "DBIP-ISP (compat=Enterprise)",
    "DBIP-Location-ISP (compat=Enterprise)",
    "GeoIP2-Enterprise",
];

const LOOKUPS: [Lookup; 8] = [
    Lookup {
        name: "City",
        shape: Fields(&[
            ("city", "City", Fields(&[NAMES, GEO_NAME_ID])),
            ("postal", "Postal", Fields(&[CODE])),
            CONTINENT,
            ("subdivisions", "Subdivisions", List(&Fields(&[NAMES, ISO_CODE, GEO_NAME_ID]))),
            REPRESENTED,
            ("country", "Country", COUNTRY),
            ("registered_country", "RegisteredCountry", COUNTRY),
            LOCATION,
            ("traits", "Traits", Fields(&[PROXY, SATELLITE])),
        ]),
        kinds: OF_CITY,
    },
    Lookup {
        name: "Country",
        shape: Fields(&[
            CONTINENT,
            ("country", "Country", COUNTRY),
            ("registered_country", "RegisteredCountry", COUNTRY),
            REPRESENTED,
            ("traits", "Traits", Fields(&[PROXY, SATELLITE])),
        ]),
        kinds: OF_CITY,
    },
    Lookup {
        name: "ASN",
        shape: Fields(&[SYSTEM_ORGANIZATION, SYSTEM_NUMBER]),
        kinds: &["DBIP-ASN-Lite (compat=GeoLite2-ASN)", "GeoLite2-ASN", "GeoIP2-ISP", "GeoIP2-Precision-ISP"],
    },
    Lookup {
        name: "Enterprise",
        shape: Fields(&[
            CONTINENT,
            ("city", "City", Fields(&[NAMES, GEO_NAME_ID, CONFIDENCE])),
            ("postal", "Postal", Fields(&[CODE, CONFIDENCE])),
            ("subdivisions", "Subdivisions", List(&Fields(&[NAMES, ISO_CODE, GEO_NAME_ID, CONFIDENCE]))),
            REPRESENTED,
            ("country", "Country", SURE_COUNTRY),
            ("registered_country", "RegisteredCountry", SURE_COUNTRY),
            (
                "traits",
                "Traits",
                Fields(&[
                    SYSTEM_ORGANIZATION,
                    ("connection_type", "ConnectionType", Word),
                    ("domain", "Domain", Word),
                    ("isp", "ISP", Word),
                    MOBILE_COUNTRY,
                    MOBILE_NETWORK,
                    ORGANIZATION,
                    ("user_type", "UserType", Word),
                    SYSTEM_NUMBER,
                    ("static_ip_score", "StaticIPScore", Float),
                    PROXY,
                    ("is_legitimate_proxy", "IsLegitimateProxy", Flag),
                    SATELLITE,
                ]),
            ),
            LOCATION,
        ]),
        kinds: &[
            "DBIP-ISP (compat=Enterprise)",
            "DBIP-Location-ISP (compat=Enterprise)",
            "GeoIP2-Enterprise",
        ],
    },
    Lookup {
        name: "AnonymousIP",
        shape: Fields(&[
            ("is_anonymous", "IsAnonymous", Flag),
            ("is_anonymous_vpn", "IsAnonymousVPN", Flag),
            ("is_hosting_provider", "IsHostingProvider", Flag),
            ("is_public_proxy", "IsPublicProxy", Flag),
            ("is_residential_proxy", "IsResidentialProxy", Flag),
            ("is_tor_exit_node", "IsTorExitNode", Flag),
        ]),
        kinds: &["GeoIP2-Anonymous-IP"],
    },
    Lookup {
        name: "ConnectionType",
        shape: Fields(&[("connection_type", "ConnectionType", Word)]),
        kinds: &["GeoIP2-Connection-Type"],
    },
    Lookup { name: "Domain", shape: Fields(&[("domain", "Domain", Word)]), kinds: &["GeoIP2-Domain"] },
    Lookup {
        name: "ISP",
        shape: Fields(&[
            SYSTEM_ORGANIZATION,
            ("isp", "ISP", Word),
            MOBILE_COUNTRY,
            MOBILE_NETWORK,
            ORGANIZATION,
            SYSTEM_NUMBER,
        ]),
        kinds: &["GeoIP2-ISP", "GeoIP2-Precision-ISP"],
    },
];

/// What a lookup makes of what the file says, if it says anything.
fn shaped(shape: &Shape, found: Option<&Value>) -> Result<Value> {
    Ok(match (shape, found) {
        (Shape::Text, Some(Value::Text(text))) => Value::Text(text.clone()),
        (Shape::Text, _) => Value::text(""),
        (Shape::Number, Some(it @ (Value::Int(_) | Value::Uint(_)))) => it.clone(),
        (Shape::Float, Some(it @ Value::Float(_))) => it.clone(),
        (Shape::Number | Shape::Float, _) => Value::Int(0),
        (Shape::Flag, found) => Value::Bool(found == Some(&Value::Bool(true))),
        (Shape::Names, Some(it @ Value::Object(_))) => it.clone(),
        (Shape::List(shape), Some(Value::Array(array))) => {
            let all: Result<Vec<Value>> = array.iter().map(|it| shaped(shape, Some(&it))).collect();
            Value::array(all?)?
        }
        (Shape::Names | Shape::List(_), _) => Value::Null,
        (Shape::Fields(fields), found) => {
            let fields = fields.iter().map(|(key, name, shape)| {
                let field = match found {
                    Some(Value::Object(object)) => object.get(key),
                    _ => None,
                };
                Ok((*name, shaped(shape, field.as_ref())?))
            });
            Value::object(fields.collect::<Result<Vec<_>>>()?)?
        }
    })
}

/// What a record of such a file takes at most, in bytes: a city in all languages takes a tenth of it.
const RECORD_BYTES: usize = 32 << 10;

fn look_up<const LOOKUP: usize>(args: Given<'_>, environment: &Environment) -> Result<PreparedMethod> {
    let path = args.text(0).into_owned();
    let file = environment.read(Path::new(&path)).map_err(Error::new)?;
    let reader = Reader::new(file).map_err(|why| Error::new(format!("{path}: {why}")))?;
    let kind = &reader.kind;
    if LOOKUPS.iter().all(|it| !it.kinds.contains(&kind.as_str())) {
        let kind = go::quote(kind);
        return Err(Error::new(format!("geoip2: reader does not support the {kind} database type")));
    }
    let lookup = &LOOKUPS[LOOKUP];
    Ok(Box::new(move |machine, value| {
        let text = convert::text(&value)?;
        let address = str::from_utf8(&text).ok().and_then(|it| it.parse::<IpAddr>().ok());
        let Some(address) = address else {
            let text = shown(&text);
            return Err(Error::new(format!(
                "value {text} does not appear to be a valid v4 or v6 IP address"
            )));
        };
        let kind = &reader.kind;
        if !lookup.kinds.contains(&kind.as_str()) {
            let name = lookup.name;
            return Err(Error::new(format!(
                "geoip2: the {name} method does not support the {kind} database"
            )));
        }
        machine.budget().bytes(RECORD_BYTES)?;
        let found = reader.find(address).map_err(Error::new)?;
        shaped(&lookup.shape, found.as_ref())
    }))
}

const PARAMS: &[Param] = &[Param::text("path", "The path of the file, in the format of MaxMind.").fixed()];

const fn new(
    name: &'static str,
    description: &'static str,
    body: fn(Given<'_>, &Environment) -> Result<PreparedMethod>,
    examples: &'static [Example],
) -> Method {
    Method::new(name, Category::Geoip, description, MethodBody::World(body))
        .unnamed()
        .params(PARAMS)
        .examples(examples)
}

pub(super) const METHODS: &[Method] = &[
    new(
        "geoip_city",
        "The city of an address, by a file that knows cities or countries; what the file does not say is empty.",
        look_up::<0>,
        &[example(r#"root.city = this.ip.geoip_city("GeoLite2-City.mmdb").City.Names.en"#, &[])],
    ),
    new(
        "geoip_country",
        "The country of an address, by a file that knows cities or countries; what the file does not say is empty.",
        look_up::<1>,
        &[example(r#"root.country = this.ip.geoip_country("GeoLite2-Country.mmdb").Country.IsoCode"#, &[])],
    ),
    new(
        "geoip_asn",
        "The autonomous system of an address, by a file that knows those.",
        look_up::<2>,
        &[example(r#"root.asn = this.ip.geoip_asn("GeoLite2-ASN.mmdb").AutonomousSystemNumber"#, &[])],
    ),
    new(
        "geoip_enterprise",
        "All that a file of the kind Enterprise says of an address.",
        look_up::<3>,
        &[example(r#"root.at = this.ip.geoip_enterprise("GeoIP2-Enterprise.mmdb").Location.TimeZone"#, &[])],
    ),
    new(
        "geoip_anonymous_ip",
        "Whether an address hides who uses it, by a file of the kind Anonymous IP.",
        look_up::<4>,
        &[example(
            r#"root.is_tor = this.ip.geoip_anonymous_ip("GeoIP2-Anonymous-IP.mmdb").IsTorExitNode"#,
            &[],
        )],
    ),
    new(
        "geoip_connection_type",
        "How an address is connected, by a file of the kind Connection Type.",
        look_up::<5>,
        &[example(
            r#"root.by = this.ip.geoip_connection_type("GeoIP2-Connection-Type.mmdb").ConnectionType"#,
            &[],
        )],
    ),
    new(
        "geoip_domain",
        "The domain of an address, by a file of the kind Domain.",
        look_up::<6>,
        &[example(r#"root.domain = this.ip.geoip_domain("GeoIP2-Domain.mmdb").Domain"#, &[])],
    ),
    new(
        "geoip_isp",
        "Who connects an address, by a file of the kind ISP.",
        look_up::<7>,
        &[example(r#"root.isp = this.ip.geoip_isp("GeoIP2-ISP.mmdb").ISP"#, &[])],
    ),
];

#[cfg(test)]
mod tests {
    use wappa_message::Message;

    use crate::{Environment, Program, formats::mmdb};

    #[test]
    fn what_a_file_says_has_always_the_same_fields() {
        let dir = std::env::temp_dir().join(format!("wappa-geoip-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory can be made");
        for (name, kind) in [("asn", "GeoLite2-ASN"), ("city", "GeoLite2-City"), ("other", "Other")] {
            let file = mmdb::tests::file(kind, &mmdb::tests::system());
            std::fs::write(dir.join(name), file).expect("it can be written");
        }
        let run = |query: &str, address: &str| -> Result<String, String> {
            let environment = Environment::new(&dir);
            let program =
                Program::parse(&format!("root = this.{query}"), &environment).map_err(|it| it.to_string())?;
            let mut batch = [Message::new(format!("{address:?}"))];
            let mapped = program.map(&mut batch, 0).map_err(|it| it.to_string())?;
            mapped.apply(&mut batch[0]);
            Ok(String::from_utf8_lossy(batch[0].content()).into_owned())
        };
        let known = r#"{"AutonomousSystemNumber":64500,"AutonomousSystemOrganization":"Example"}"#;
        let unknown = r#"{"AutonomousSystemNumber":0,"AutonomousSystemOrganization":""}"#;
        assert_eq!(run(r#"geoip_asn("asn")"#, "1.2.3.4").as_deref(), Ok(known));
        assert_eq!(run(r#"geoip_asn("asn")"#, "9.9.9.9").as_deref(), Ok(unknown));
        let empty = r#"{"Code":"","GeoNameID":0,"Names":null}"#;
        assert_eq!(run(r#"geoip_city("city").Continent"#, "1.2.3.4").as_deref(), Ok(empty));
        for (query, address, expected) in [
            (r#"geoip_asn("city")"#, "1.2.3.4", "the ASN method does not support the GeoLite2-City database"),
            (r#"geoip_asn("asn")"#, "x", "value x does not appear to be a valid v4 or v6 IP address"),
            (r#"geoip_asn("none")"#, "1.2.3.4", "no such file or directory"),
            (r#"geoip_asn("other")"#, "1.2.3.4", r#"reader does not support the "Other" database type"#),
            ("geoip_asn(this)", "1.2.3.4", "param path must not be dynamic"),
        ] {
            let why = run(query, address).expect_err(query);
            assert!(why.contains(expected), "{query}: {why}");
        }
        let restricted = Program::parse(r#"root = this.geoip_asn("asn")"#, &Environment::restricted());
        assert!(
            restricted.is_err_and(|it| it.to_string().contains("is not allowed in a restricted mapping"))
        );
        std::fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
