//! A function that makes up data which look like those of people.

use rand::{Rng, RngExt};
use wappa_message::Value;

use super::random::uuid;
use crate::{
    environment::Environment,
    error::{Error, Result},
    registry::{
        Category, Constant, Function, Param,
        args::Given,
        bound::{FunctionBody, PreparedFunction},
        example,
    },
    time::{self, layout, zone::Zone},
};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "fake",
    Category::Fake,
    "Something made up: a text of letters, or what `function` names. There are `latitude`, `longitude`, `unix_time`, `date`, \
     `time_string`, `month_name`, `year_string`, `day_of_week`, `day_of_month`, `timestamp`, `century`, `timezone`, \
     `time_period`, `email`, `mac_address`, `domain_name`, `url`, `username`, `ipv4`, `ipv6`, `password`, `jwt`, `word`, \
     `sentence`, `paragraph`, `cc_type`, `cc_number`, `currency`, `amount_with_currency`, `title_male`, `title_female`, \
     `first_name`, `first_name_male`, `first_name_female`, `last_name`, `name`, `gender`, `chinese_first_name`, \
     `chinese_last_name`, `chinese_name`, `phone_number`, `toll_free_phone_number`, `e164_phone_number`, `uuid_hyphenated` \
     and `uuid_digit`.",
    FunctionBody::Prepared(fake),
)
.params(&[Param::text("function", "What is made up.").or(Constant::Text(""))])
.examples(&[
    example(r#"root.email = fake("email")"#, &[]),
    example(r#"root = fake("uuid_digit").length()"#, &[("{}", "32")]),
    example(r#"root = fake("nope")"#, &[(
        "{}",
        r#"Error("failed assignment (line 1): invalid faker function: nope")"#,
    )]),
])];

fn fake(args: Given<'_>, _: &Environment) -> Result<PreparedFunction> {
    let name = args.text(0).to_lowercase();
    let given = args.text(0).into_owned();
    let Some(make) = maker(&name) else {
        return Ok(Box::new(move |_, _| Err(Error::new(format!("invalid faker function: {given}")))));
    };
    Ok(Box::new(move |_, _| Ok(make().into())))
}

/// What makes up data of this name.
fn maker(name: &str) -> Option<fn() -> Value> {
    Some(match name {
        "" => || text(letters(25)),
        "latitude" => || place(90.0),
        "longitude" => || place(180.0),
        "unix_time" => || Value::Int(seconds()),
        "date" => || moment("2006-01-02"),
        "time_string" => || moment("15:04:05"),
        "month_name" => || moment("January"),
        "year_string" => || moment("2006"),
        "day_of_week" => || moment("Monday"),
        "day_of_month" => || moment("_2"),
        "timestamp" => || moment("2006-01-02 15:04:05"),
        "time_period" => || moment("PM"),
        "century" => || text(pick(CENTURIES)),
        "timezone" => || text(timezone()),
        "email" => || text(format!("{}@{}.{}", letters(7), letters(7), pick(DOMAINS))),
        "mac_address" => || text(mac_address()),
        "domain_name" => || text(domain()),
        "url" => || text(url()),
        "username" => || text(letters(7)),
        "ipv4" => || text(std::net::Ipv4Addr::from_bits(rand::rng().next_u32()).to_string()),
        "ipv6" => || text(ipv6()),
        "password" => || text(letters(50)),
        "jwt" => || text([letters(40), letters(40), letters(40)].join(".")),
        "word" => || text(pick(WORDS)),
        "sentence" => || text(sentence()),
        "paragraph" => || {
            let sentences: Vec<String> = (0..number(2, 7)).map(|_| sentence()).collect();
            text(sentences.join(" "))
        },
        "cc_type" => || text(pick(CARDS).0),
        "cc_number" => || text(card_number()),
        "currency" => || text(pick(CURRENCIES)),
        "amount_with_currency" => || {
            let tenths = number(1, 10i64.pow(number(2, 9) as u32));
            text(format!("{} {}.{}00000", pick(CURRENCIES), tenths / 10, tenths % 10))
        },
        "title_male" => || text(pick(TITLES_MALE)),
        "title_female" => || text(pick(TITLES_FEMALE)),
        "first_name" => || text(if is_heads() { pick(NAMES_MALE) } else { pick(NAMES_FEMALE) }),
        "first_name_male" => || text(pick(NAMES_MALE)),
        "first_name_female" => || text(pick(NAMES_FEMALE)),
        "last_name" => || text(pick(NAMES_LAST)),
        "name" => || {
            let (title, first) = match is_heads() {
                true => (pick(TITLES_MALE), pick(NAMES_MALE)),
                false => (pick(TITLES_FEMALE), pick(NAMES_FEMALE)),
            };
            text(format!("{title} {first} {}", pick(NAMES_LAST)))
        },
        "gender" => || text(pick(&["Male", "Female", "Prefer to skip"])),
        // The name of the family comes first there.
        "chinese_first_name" => || text(pick(FAMILIES)),
        "chinese_last_name" => || text(given_name()),
        "chinese_name" => || text(format!("{}{}", pick(FAMILIES), given_name())),
        "phone_number" => || text(format!("{}-{}-{}", digits(3), digits(3), digits(4))),
        "toll_free_phone_number" => {
            || text(format!("({}) {}-{}", pick(&["777", "888"]), digits(3), digits(6)))
        }
        "e164_phone_number" => || text(format!("+{}", digits(12))),
        "uuid_hyphenated" => || text(uuid()),
        "uuid_digit" => || text(String::from_utf8_lossy(&uuid()).replace('-', "")),
        _ => return None,
    })
}

fn text(text: impl AsRef<[u8]>) -> Value {
    Value::text(text)
}

/// A number from the first one to the last one.
fn number(first: i64, last: i64) -> i64 {
    rand::rng().random_range(first..=last)
}

fn is_heads() -> bool {
    number(0, 1) == 0
}

fn pick<T: Copy>(list: &[T]) -> T {
    list[number(0, list.len() as i64 - 1) as usize]
}

fn letters(n: usize) -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    (0..n).map(|_| char::from(pick(LETTERS))).collect()
}

/// Digits of which the first is not zero.
fn digits(n: usize) -> String {
    (0..n).map(|idx| number(i64::from(idx == 0), 9).to_string()).collect()
}

/// Degrees, with as many digits as half the bits hold.
fn place(limit: f32) -> Value {
    Value::Float(f64::from(rand::rng().random_range(-limit..=limit)))
}

/// Some time since 1970, in seconds.
fn seconds() -> i64 {
    number(0, time::now().seconds().max(0))
}

fn moment(format: &str) -> Value {
    text(layout::format(&Zone::utc().time(seconds(), 0), format))
}

fn timezone() -> String {
    let names: Vec<_> = jiff::tz::db().available().filter(|it| it.as_str().contains('/')).collect();
    match names.is_empty() {
        true => "Etc/UTC".to_string(),
        false => names[number(0, names.len() as i64 - 1) as usize].to_string(),
    }
}

fn mac_address() -> String {
    let bytes: [String; 6] = std::array::from_fn(|_| format!("{:02x}", number(0, 255)));
    bytes.join(":")
}

fn ipv6() -> String {
    let groups: [String; 8] = std::array::from_fn(|_| format!("{:x}", number(0, 0xffff)));
    groups.join(":")
}

fn domain() -> String {
    format!("{}.{}", letters(7).to_lowercase(), pick(DOMAINS))
}

fn url() -> String {
    let scheme = pick(&["http", "https"]);
    let www = pick(&["", "www."]);
    let page = match number(0, 3) {
        0 => String::new(),
        1 => letters(7),
        2 => format!("{}.html", letters(7)),
        _ => format!("{}.css", letters(7)),
    };
    format!("{scheme}://{www}{}/{page}", domain())
}

fn sentence() -> String {
    let words: Vec<&str> = (0..number(4, 8)).map(|_| pick(WORDS)).collect();
    let sentence = words.join(" ");
    let (first, rest) = sentence.split_at(1);
    format!("{}{rest}.", first.to_uppercase())
}

fn given_name() -> String {
    (0..number(1, 2)).map(|_| pick(CHARACTERS)).collect()
}

/// A number of a card whose last digit fits the others. Source: ISO/IEC 7812, the algorithm of Luhn.
fn card_number() -> String {
    let (_, prefix, len) = pick(CARDS);
    let mut number = prefix.to_string();
    while number.len() + 1 < len {
        number.push_str(&self::number(0, 9).to_string());
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(idx, it)| {
            let digit = u32::from(it - b'0');
            match idx % 2 {
                0 if 4 < digit => 2 * digit - 9,
                0 => 2 * digit,
                _ => digit,
            }
        })
        .sum();
    number.push_str(&((10 - sum % 10) % 10).to_string());
    number
}

/// The name of each card, what its numbers begin with, and how many digits they have.
const CARDS: &[(&str, &str, usize)] = &[
    ("American Express", "34", 15),
    ("American Express", "37", 15),
    ("Diners Club", "36", 14),
    ("Discover", "6011", 16),
    ("JCB", "3530", 16),
    ("JCB", "3566", 16),
    ("MasterCard", "51", 16),
    ("MasterCard", "55", 16),
    ("VISA", "4", 16),
];

const CENTURIES: &[&str] = &[
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI",
    "XVII", "XVIII", "XIX", "XX", "XXI",
];

const DOMAINS: &[&str] = &["com", "net", "org", "info", "biz", "eu", "io"];

const CURRENCIES: &[&str] = &[
    "AED", "ARS", "AUD", "BDT", "BGN", "BHD", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP",
    "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KRW", "KWD", "LKR", "MAD", "MXN",
    "MYR", "NGN", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "SAR", "SEK", "SGD",
    "THB", "TND", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "ZAR",
];

const TITLES_MALE: &[&str] = &["Mr.", "Dr.", "Prof.", "Lord", "King", "Prince"];

const TITLES_FEMALE: &[&str] = &["Mrs.", "Ms.", "Miss", "Dr.", "Prof.", "Lady", "Queen", "Princess"];

const NAMES_MALE: &[&str] = &[
    "Aaron",
    "Adam",
    "Albert",
    "Andrew",
    "Anthony",
    "Arthur",
    "Benjamin",
    "Brian",
    "Carl",
    "Charles",
    "Christopher",
    "Daniel",
    "David",
    "Edward",
    "Eric",
    "Frank",
    "Gary",
    "George",
    "Harold",
    "Henry",
    "Jack",
    "James",
    "Jeffrey",
    "John",
    "Jonathan",
    "Joseph",
    "Joshua",
    "Kenneth",
    "Kevin",
    "Larry",
    "Louis",
    "Mark",
    "Matthew",
    "Michael",
    "Nathan",
    "Nicholas",
    "Oscar",
    "Patrick",
    "Paul",
    "Peter",
    "Philip",
    "Ralph",
    "Raymond",
    "Richard",
    "Robert",
    "Roger",
    "Ronald",
    "Ryan",
    "Samuel",
    "Scott",
    "Stephen",
    "Steven",
    "Thomas",
    "Timothy",
    "Tyler",
    "Victor",
    "Vincent",
    "Walter",
    "William",
];

const NAMES_FEMALE: &[&str] = &[
    "Alice",
    "Amanda",
    "Amy",
    "Andrea",
    "Angela",
    "Anna",
    "Ashley",
    "Barbara",
    "Betty",
    "Brenda",
    "Carol",
    "Catherine",
    "Cheryl",
    "Christine",
    "Clara",
    "Cynthia",
    "Deborah",
    "Diana",
    "Donna",
    "Dorothy",
    "Elizabeth",
    "Emily",
    "Emma",
    "Evelyn",
    "Florence",
    "Frances",
    "Grace",
    "Hannah",
    "Helen",
    "Irene",
    "Jane",
    "Janet",
    "Jennifer",
    "Jessica",
    "Joan",
    "Julia",
    "Karen",
    "Kathleen",
    "Laura",
    "Linda",
    "Lisa",
    "Margaret",
    "Maria",
    "Martha",
    "Mary",
    "Nancy",
    "Nicole",
    "Olivia",
    "Pamela",
    "Patricia",
    "Rachel",
    "Rebecca",
    "Ruth",
    "Sandra",
    "Sarah",
    "Sharon",
    "Sophia",
    "Susan",
    "Victoria",
];

const NAMES_LAST: &[&str] = &[
    "Adams",
    "Allen",
    "Anderson",
    "Bailey",
    "Baker",
    "Barnes",
    "Bell",
    "Bennett",
    "Brooks",
    "Brown",
    "Butler",
    "Campbell",
    "Carter",
    "Clark",
    "Collins",
    "Cook",
    "Cooper",
    "Cox",
    "Cruz",
    "Davis",
    "Edwards",
    "Evans",
    "Fisher",
    "Foster",
    "Garcia",
    "Gomez",
    "Gray",
    "Green",
    "Hall",
    "Harris",
    "Hill",
    "Howard",
    "Hughes",
    "Jackson",
    "James",
    "Jenkins",
    "Johnson",
    "Jones",
    "Kelly",
    "King",
    "Lee",
    "Lewis",
    "Long",
    "Martin",
    "Miller",
    "Mitchell",
    "Moore",
    "Morgan",
    "Morris",
    "Murphy",
    "Myers",
    "Nelson",
    "Nguyen",
    "Parker",
    "Perez",
    "Phillips",
    "Powell",
    "Price",
    "Reed",
    "Reyes",
    "Richardson",
    "Rivera",
    "Roberts",
    "Robinson",
    "Rogers",
    "Ross",
    "Russell",
    "Sanders",
    "Scott",
    "Smith",
    "Stewart",
    "Sullivan",
    "Taylor",
    "Thomas",
    "Thompson",
    "Torres",
    "Turner",
    "Walker",
    "Ward",
    "Watson",
    "White",
    "Williams",
    "Wilson",
    "Wood",
    "Wright",
    "Young",
];

const FAMILIES: &[&str] = &[
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何",
    "高", "林", "罗", "郑", "梁", "谢", "宋", "唐", "许", "韩", "冯", "邓", "曹", "彭", "曾", "肖", "田",
    "董", "潘", "袁", "于", "蒋", "蔡", "余", "杜", "叶", "程", "苏", "魏", "吕", "丁", "任", "沈", "欧阳",
    "司马", "上官", "诸葛",
];

const CHARACTERS: &[&str] = &[
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超",
    "秀", "霞", "平", "刚", "桂", "文", "辉", "玲", "建", "国", "红", "海", "燕", "春", "梅", "雪", "飞",
    "宇", "浩", "晨", "欣", "怡", "佳", "琪", "思", "雨", "梦",
];

/// Words that have stood in for others since there is printing.
const WORDS: &[&str] = &[
    "a",
    "ad",
    "adipiscing",
    "aliqua",
    "aliquip",
    "amet",
    "anim",
    "aute",
    "cillum",
    "commodo",
    "consectetur",
    "consequat",
    "culpa",
    "cupidatat",
    "deserunt",
    "do",
    "dolor",
    "dolore",
    "duis",
    "ea",
    "eiusmod",
    "elit",
    "enim",
    "esse",
    "est",
    "et",
    "eu",
    "ex",
    "excepteur",
    "exercitation",
    "fugiat",
    "id",
    "in",
    "incididunt",
    "ipsum",
    "irure",
    "labore",
    "laboris",
    "laborum",
    "lorem",
    "magna",
    "minim",
    "mollit",
    "nisi",
    "non",
    "nostrud",
    "nulla",
    "occaecat",
    "officia",
    "pariatur",
    "proident",
    "qui",
    "quis",
    "reprehenderit",
    "sed",
    "sint",
    "sit",
    "sunt",
    "tempor",
    "ullamco",
    "ut",
    "velit",
    "veniam",
    "voluptate",
];

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn made_up_data_look_as_they_should() {
        for (name, pattern) in [
            ("", "[a-zA-Z]{25}"),
            ("latitude", r"-?\d{1,2}(\.\d+)?(e-\d+)?"),
            ("longitude", r"-?\d{1,3}(\.\d+)?(e-\d+)?"),
            ("unix_time", r"\d+"),
            ("date", r"\d{4}-\d\d-\d\d"),
            ("time_string", r"\d\d:\d\d:\d\d"),
            ("month_name", "[A-Z][a-z]+"),
            ("year_string", r"\d{4}"),
            ("day_of_week", "[A-Z][a-z]+day"),
            ("day_of_month", r"[ \d]?\d"),
            ("timestamp", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
            ("century", "[IVX]+"),
            ("timezone", r"\S+/\S+"),
            ("time_period", "AM|PM"),
            ("email", r"[a-zA-Z]+@[a-zA-Z]+\.[a-z]+"),
            ("mac_address", "([0-9a-f]{2}:){5}[0-9a-f]{2}"),
            ("domain_name", r"[a-z]+\.[a-z]+"),
            ("url", r"https?://[a-z.]+/\S*"),
            ("username", "[a-zA-Z]+"),
            ("ipv4", r"\d+\.\d+\.\d+\.\d+"),
            ("ipv6", "([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"),
            ("password", "[a-zA-Z]{50}"),
            ("jwt", r"[a-zA-Z]{40}\.[a-zA-Z]{40}\.[a-zA-Z]{40}"),
            ("word", "[a-z]+"),
            ("sentence", r"[A-Z][a-z ]*\."),
            ("paragraph", r"[A-Z][A-Za-z .]*\."),
            ("cc_type", "[A-Za-z ]+"),
            ("cc_number", r"\d{14,16}"),
            ("currency", "[A-Z]{3}"),
            ("amount_with_currency", r"[A-Z]{3} \d+\.\d{6}"),
            ("title_male", r"[A-Za-z.]+"),
            ("title_female", r"[A-Za-z.]+"),
            ("first_name", "[A-Z][a-z]+"),
            ("first_name_male", "[A-Z][a-z]+"),
            ("first_name_female", "[A-Z][a-z]+"),
            ("last_name", "[A-Z][a-z]+"),
            ("name", r"[A-Za-z.]+ [A-Z][a-z]+ [A-Z][a-z]+"),
            ("gender", "Male|Female|Prefer to skip"),
            ("chinese_first_name", r"\p{Han}{1,2}"),
            ("chinese_last_name", r"\p{Han}{1,2}"),
            ("chinese_name", r"\p{Han}{2,4}"),
            ("phone_number", r"\d{3}-\d{3}-\d{4}"),
            ("toll_free_phone_number", r"\((777|888)\) \d{3}-\d{6}"),
            ("e164_phone_number", r"\+\d{12}"),
            ("uuid_hyphenated", "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"),
            ("uuid_digit", "[0-9a-f]{32}"),
        ] {
            let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("it is a pattern");
            let make = maker(name).expect("it is there");
            for _ in 0..50 {
                let made = make().to_text();
                let made = str::from_utf8(&made).expect("it is text");
                assert!(pattern.is_match(made), "{name}: {made}");
                if !name.is_empty() {
                    assert!(FUNCTIONS[0].description.contains(&format!("`{name}`")), "{name} is described");
                }
            }
        }
    }

    #[test]
    fn numbers_of_cards_have_their_last_digit() {
        for _ in 0..50 {
            let sum: u32 = card_number()
                .bytes()
                .rev()
                .enumerate()
                .map(|(idx, it)| {
                    let digit = u32::from(it - b'0') << (idx % 2);
                    digit / 10 + digit % 10
                })
                .sum();
            assert_eq!(sum % 10, 0);
        }
    }
}
