//! What is read: topics by name or by pattern, and partitions of topics, from an offset on.

use std::collections::BTreeMap;

use regex::Regex;

/// Partitions that are named, each with the offset that is named with it, if one is.
pub(crate) type Named = BTreeMap<(String, i32), Option<i64>>;

/// Reads the field `topics` of Bento: `a`, `a,b`, `a:0`, `a:0-5`, and with offsets `a:0:10`. The error is Bento's text.
pub(crate) fn parse(topics: &[String], with_offsets: bool) -> Result<(Vec<String>, Named), String> {
    let (mut whole, mut named) = (Vec::new(), Named::new());
    for topic in topics.iter().flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty()) {
        let pieces: Vec<&str> = topic.split(':').collect();
        let (name, partitions, offset) = match pieces.as_slice() {
            [name] => {
                whole.push((*name).to_string());
                continue;
            }
            [name, partitions] => (name.trim(), partitions, None),
            [_, _, _] if !with_offsets => {
                return Err(format!(
                    "topic '{topic}' is invalid, explicit offsets are not supported by this input"
                ));
            }
            [name, partitions, offset] => (name.trim(), partitions, Some(number::<i64>(offset)?)),
            _ => {
                return Err(format!(
                    "topic '{topic}' is invalid, only one partition and an optional offset should be specified"
                ));
            }
        };
        for partition in partitions_of(partitions)? {
            let place = named.entry((name.to_string(), partition)).or_default();
            // An offset that is named counts, wherever it is.
            *place = offset.or(*place);
        }
    }
    Ok((whole, named))
}

/// No broker has more in one topic: a range beyond that is a slip of the pen.
const PARTITIONS_MAX: i32 = 1_000_000;

fn partitions_of(text: &str) -> Result<std::ops::RangeInclusive<i32>, String> {
    let (begin, end) = match text.split('-').collect::<Vec<_>>().as_slice() {
        [""] => return Err("empty partition expression".to_string()),
        [one] => {
            let number = number(one).map_err(|err| format!("failed to parse partition number: {err}"))?;
            (number, number)
        }
        [begin, end] => (
            number(begin).map_err(|err| format!("failed to parse start of range: {err}"))?,
            number(end).map_err(|err| format!("failed to parse end of range: {err}"))?,
        ),
        _ => return Err(format!("partition '{text}' is invalid, only one range can be specified")),
    };
    if !(0..PARTITIONS_MAX).contains(&begin) || PARTITIONS_MAX <= end {
        return Err(format!(
            "partition '{text}' is invalid, partitions are from 0 to {}",
            PARTITIONS_MAX - 1
        ));
    }
    if end < begin {
        return Err(format!("partition '{text}' is invalid, the range is empty"));
    }
    Ok(begin..=end)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

/// Reads patterns of names. The error says which cannot be read.
pub(crate) fn patterns(topics: &[String]) -> Result<Vec<Regex>, String> {
    let read = |it: &String| Regex::new(it).map_err(|err| format!("topic '{it}' is no pattern: {err}"));
    topics.iter().map(read).collect()
}

/// Topics of the brokers' own, which no pattern means.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Whether a topic is meant by one of the patterns.
pub(crate) fn is_meant(topic: &str, patterns: &[Regex]) -> bool {
    !INTERNAL.contains(&topic) && patterns.iter().any(|it| it.is_match(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(topics: &[&str], with_offsets: bool) -> String {
        let topics: Vec<String> = topics.iter().map(|it| (*it).to_string()).collect();
        match parse(&topics, with_offsets) {
            Err(text) => text,
            Ok((whole, named)) => {
                let named = named.iter().map(|((topic, partition), offset)| match offset {
                    Some(offset) => format!("{topic}:{partition}:{offset}"),
                    None => format!("{topic}:{partition}"),
                });
                whole.into_iter().chain(named).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn topics_partitions_and_offsets() {
        assert_eq!(read(&["foo", " bar, baz ,"], false), "foo bar baz");
        assert_eq!(read(&["foo:0-2,bar:7"], false), "bar:7 foo:0 foo:1 foo:2");
        assert_eq!(read(&["foo:0-1:5", "foo:0", "foo:1:8"], true), "foo:0:5 foo:1:8");
        assert_eq!(read(&["foo:1", "bar"], true), "bar foo:1");
        let text = "topic 'foo:0:1' is invalid, explicit offsets are not supported by this input";
        assert_eq!(read(&["foo:0:1"], false), text);
        let text =
            "topic 'foo:0:1:2' is invalid, only one partition and an optional offset should be specified";
        assert_eq!(read(&["foo:0:1:2"], true), text);
        assert_eq!(read(&["foo:"], true), "empty partition expression");
        assert_eq!(read(&["foo:x"], true), "failed to parse partition number: \"x\" is no number");
        assert_eq!(read(&["foo:0-x"], true), "failed to parse end of range: \"x\" is no number");
        assert_eq!(read(&["foo:5-1"], true), "partition '5-1' is invalid, the range is empty");
        let text = "partition '0-2000000000' is invalid, partitions are from 0 to 999999";
        assert_eq!(read(&["foo:0-2000000000"], true), text);
        assert_eq!(
            read(&["foo:0-1-2"], true),
            "partition '0-1-2' is invalid, only one range can be specified"
        );
    }

    #[test]
    fn patterns_mean_names_anywhere_and_nothing_of_the_brokers_own() {
        let patterns = patterns(&["things.*".to_string(), "^a$".to_string()]).expect("they can be read");
        let meant =
            ["things", "my_things_1", "a", "ab", "__consumer_offsets"].map(|it| is_meant(it, &patterns));
        assert_eq!(meant, [true, true, true, false, false]);
        assert!(super::patterns(&["(".to_string()]).is_err());
        assert!(!is_meant("__consumer_offsets", &super::patterns(&[".*".to_string()]).expect("a pattern")));
    }
}
