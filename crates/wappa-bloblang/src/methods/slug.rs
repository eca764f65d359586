//! Texts as parts of addresses.

use wappa_message::{Text, Value};

use crate::{
    error::Result,
    evaluate::Machine,
    registry::{Category, Constant, Method, Param, args::Given, bound::MethodBody, example},
    value::convert,
};

/// How many letters a character becomes, at most.
const LETTERS_MAX: usize = 64;

/// What stands for a character in a language; what is not here is written in letters that everybody has.
fn spelled(language: &str, c: char) -> Option<&'static str> {
    match c {
        '"' | '\'' | '’' => return Some(""),
        '‒' | '–' | '—' | '―' => return Some("-"),
        _ => (),
    }
    let table: &[(char, &'static str)] = match language {
        "bg" | "bgr" => BULGARIAN,
        "cs" | "ces" => &[('&', "a"), ('@', "zavinac")],
        "de" | "deu" => GERMAN,
        "es" | "spa" => &[('&', "y"), ('@', "en")],
        "fi" | "fin" => &[('&', "ja"), ('@', "at")],
        "fr" | "fra" => &[('&', "et"), ('@', "arobase")],
        "gr" | "el" | "ell" => GREEK,
        "hu" | "hun" => &[],
        "id" | "idn" | "ind" => &[('&', "dan")],
        "it" | "ita" => &[('&', "e"), ('@', "chiocciola")],
        "kz" | "kk" | "kaz" => KAZAKH,
        "nb" | "nob" | "nn" | "nno" => NORWEGIAN,
        "nl" | "nld" => &[('&', "en"), ('@', "at")],
        "pl" | "pol" => &[('&', "i"), ('@', "na")],
        "ro" | "rou" => &[('&', "si")],
        "sl" | "slv" => &[('&', "in"), ('đ', "dz")],
        "sv" | "swe" => &[('&', "och"), ('@', "snabel a")],
        "tr" | "tur" => &[('&', "ve"), ('@', "et")],
        _ => &[('&', "and"), ('@', "at")],
    };
    // The letters are small; the large one that is spelled otherwise than its small one stands for itself.
    let small = c.to_lowercase().next().filter(|_| c != 'Щ').unwrap_or(c);
    table.iter().find(|it| it.0 == small).map(|it| it.1)
}

/// The official way since 2009.
const BULGARIAN: &[(char, &str)] = &[
    ('а', "a"),
    ('б', "b"),
    ('в', "v"),
    ('г', "g"),
    ('д', "d"),
    ('е', "e"),
    ('ж', "zh"),
    ('з', "z"),
    ('и', "i"),
    ('й', "y"),
    ('к', "k"),
    ('л', "l"),
    ('м', "m"),
    ('н', "n"),
    ('о', "o"),
    ('п', "p"),
    ('р', "r"),
    ('с', "s"),
    ('т', "t"),
    ('у', "u"),
    ('ф', "f"),
    ('х', "h"),
    ('ц', "ts"),
    ('ч', "ch"),
    ('ш', "sh"),
    ('Щ', "sh"),
    ('щ', "sht"),
    ('ъ', "a"),
    ('ь', "y"),
    ('ю', "yu"),
    ('я', "ya"),
];

const GERMAN: &[(char, &str)] = &[('&', "und"), ('@', "an"), ('ä', "ae"), ('ö', "oe"), ('ü', "ue")];

const GREEK: &[(char, &str)] = &[
    ('&', "kai"),
    ('β', "v"),
    ('η', "i"),
    ('ή', "i"),
    ('ι', "i"),
    ('ί', "i"),
    ('ϊ', "i"),
    ('ΐ', "i"),
    ('ξ', "x"),
    ('υ', "y"),
    ('ύ', "y"),
    ('ϋ', "y"),
    ('ΰ', "y"),
    ('φ', "f"),
    ('χ', "ch"),
    ('ω', "o"),
    ('ώ', "o"),
];

const KAZAKH: &[(char, &str)] =
    &[('&', "jane"), ('ә', "a"), ('ғ', "g"), ('қ', "q"), ('ң', "n"), ('ө', "o"), ('ұ', "u")];

const NORWEGIAN: &[(char, &str)] = &[('&', "og"), ('@', "at"), ('æ', "ae"), ('ø', "oe"), ('å', "aa")];

fn slug(machine: &mut Machine<'_>, value: Value, args: Given<'_>) -> Result<Value> {
    let text = convert::text(&value)?;
    machine.budget().bytes(text.len().saturating_mul(2))?;
    machine.budget().steps(text.len() as u64)?;
    let text = String::from_utf8_lossy(&text);
    let language = args.text(0).to_lowercase();
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        let spelled = spelled(&language, c).or_else(|| match c {
            // Beyond the first plane nothing is known.
            '\0'..='\u{ffff}' => deunicode::deunicode_char(c),
            _ => Some(""),
        });
        machine.budget().bytes(spelled.map_or(0, |it| it.len().min(LETTERS_MAX)))?;
        for letter in spelled.unwrap_or_default().chars() {
            let letter = letter.to_ascii_lowercase();
            match letter {
                'a'..='z' | '0'..='9' | '_' => out.push(letter),
                _ if out.ends_with('-') => (),
                _ => out.push('-'),
            }
        }
    }
    Ok(Value::Text(Text::from(out.trim_matches(['-', '_']))))
}

pub(super) const METHODS: &[Method] = &[Method::new(
    "slug",
    Category::Strings,
    "The text as a part of an address that people can read: small letters of the Latin alphabet, digits, and hyphens for all \
     that is between them.",
    MethodBody::Counted(slug),
)
.unnamed()
.params(&[Param::text(
    "lang",
    "The language of the text, by ISO 639: how `&`, `@` and some letters are spelled in it. One that is not known is taken \
     for English.",
)
.or(Constant::Text("en"))])
.examples(&[
    example("root = this.a.slug()", &[(r#"{"a":" Über 50 % & mehr!"}"#, "uber-50-and-mehr"), (r#"{"a":"Привет, мир"}"#, "privet-mir")]),
    example(r#"root = this.a.slug("de")"#, &[(r#"{"a":"Über 50 % & mehr!"}"#, "ueber-50-und-mehr")]),
])];

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn letters_are_spelled_as_their_languages_do() {
        for (language, c, expected) in [
            ("de", 'Ä', Some("ae")),
            ("bg", 'Щ', Some("sh")),
            ("bg", 'щ', Some("sht")),
            ("el", 'Χ', Some("ch")),
            ("kk", 'Ұ', Some("u")),
            ("no such language", '&', Some("and")),
            ("sv", '@', Some("snabel a")),
            ("hu", '@', None),
            ("hu", '’', Some("")),
            ("fr", 'é', None),
        ] {
            assert_eq!(spelled(language, c), expected, "{language} {c}");
        }
    }
}
