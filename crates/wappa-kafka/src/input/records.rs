//! Records: messages of one partition as they came in, in one buffer, and what they are beside their bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use wappa_component::{Form, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Slices};
use wappa_message::{Message, Metadata, MetadataSource, OnDemand, Text, Value, pair_bytes};

use crate::native::Record;

/// What the metadata of messages look like: the two inputs of Bento differ in small things.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether a message without a key has an empty one.
    pub(crate) empty_key: bool,
    /// Whether `kafka_lag` is there.
    pub(crate) lag: bool,
    /// Whether a header counts for more than what the input says under the same name.
    pub(crate) headers_win: bool,
    /// Whether headers are lists, of all values that a name has.
    pub(crate) multi_header: bool,
}

/// As many names as the input itself has to say something of.
const OWN_PAIRS_MAX: usize = 8;

const KEY: &str = "kafka_key";

/// A piece of the buffer.
type Range = (u32, u32);

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Range>,
    /// Which of the headers are its own.
    headers: Range,
    /// What they take as metadata at most, each by itself.
    header_bytes: usize,
    is_tombstone: bool,
}

/// What messages next to each other in a partition are beside their bytes.
pub(crate) struct Records {
    style: Style,
    topic: Text,
    partition: i32,
    /// The offset behind the last message of the partition, when these were read.
    end: Option<i64>,
    buffer: Bytes,
    entries: Vec<Entry>,
    headers: Vec<(Range, Range)>,
    /// What the metadata of a message take but for its key and headers, in bytes.
    own_bytes: usize,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The offset of a message.
    pub(crate) fn offset(&self, idx: usize) -> i64 {
        self.entries[idx].offset
    }

    /// The offset behind the last message.
    pub(crate) fn next_offset(&self) -> i64 {
        self.entries.last().map_or(0, |it| it.offset + 1)
    }

    fn text(&self, (begin, end): Range) -> Value {
        Value::Text(Text::from(self.buffer.slice(begin as usize..end as usize)))
    }

    /// What the input says of a message but its key, in the order of the names, in which they are kept.
    fn each_own(&self, entry: &Entry, mut see: impl FnMut(&'static str, Value)) {
        if self.style.lag {
            let lag = |end: i64| Value::Int((end - entry.offset - 1).max(0));
            see("kafka_lag", self.end.map_or(Value::Int(0), lag));
        }
        see("kafka_offset", Value::Int(entry.offset));
        see("kafka_partition", Value::Int(self.partition.into()));
        see("kafka_timestamp_unix", Value::Int(entry.timestamp_ms.div_euclid(1000)));
        see("kafka_timestamp_unix_ms", Value::Int(entry.timestamp_ms));
        see("kafka_tombstone_message", Value::Bool(entry.is_tombstone));
        see("kafka_topic", Value::Text(self.topic.clone()));
    }

    fn own_pairs(&self, entry: &Entry) -> Vec<(Bytes, Value)> {
        let mut pairs = Vec::with_capacity(OWN_PAIRS_MAX);
        let mut add = |name: &'static str, value| pairs.push((Bytes::from_static(name.as_bytes()), value));
        match entry.key {
            Some(key) => add(KEY, self.text(key)),
            None if self.style.empty_key => add(KEY, Value::Text(Text::EMPTY)),
            None => (),
        }
        self.each_own(entry, add);
        pairs
    }

    fn header_pairs(&self, entry: &Entry) -> Vec<(Bytes, Value)> {
        let (begin, end) = entry.headers;
        let own = &self.headers[begin as usize..end as usize];
        let name = |(begin, end): Range| self.buffer.slice(begin as usize..end as usize);
        if !self.style.multi_header {
            return own.iter().map(|(key, value)| (name(*key), self.text(*value))).collect();
        }
        let mut lists: Vec<(Bytes, Vec<Value>)> = Vec::new();
        for (key, value) in own {
            let (key, value) = (name(*key), self.text(*value));
            match lists.iter_mut().find(|it| it.0 == key) {
                Some((_, values)) => values.push(value),
                None => lists.push((key, vec![value])),
            }
        }
        let list = |values| Value::array(values).expect("texts are flat");
        lists.into_iter().map(|(key, values)| (key, list(values))).collect()
    }
}

impl MetadataSource for Records {
    fn metadata(&self, idx: usize) -> Metadata {
        let entry = &self.entries[idx];
        let (begin, end) = entry.headers;
        if begin == end {
            return Metadata::from_sorted(self.own_pairs(entry));
        }
        // Of a name that comes twice the last one counts.
        let headers = self.header_pairs(entry);
        let own = self.own_pairs(entry);
        match self.style.headers_win {
            true => Metadata::from_pairs(own.into_iter().chain(headers)),
            false => Metadata::from_pairs(headers.into_iter().chain(own)),
        }
    }

    fn size(&self, idx: usize) -> Option<usize> {
        let entry = &self.entries[idx];
        if self.style.multi_header && 0 < entry.header_bytes {
            // Lists are more than what is in them.
            return None;
        }
        let of_key = match entry.key {
            Some((begin, end)) => text_bytes(KEY.len(), (end - begin) as usize),
            None if self.style.empty_key => text_bytes(KEY.len(), 0),
            None => 0,
        };
        Some(self.own_bytes + of_key + entry.header_bytes)
    }
}

/// What a text of so many bytes takes as metadata, with its name.
fn text_bytes(name: usize, text: usize) -> usize {
    pair_bytes(name, &Value::Null) + Text::allocated_for(text)
}

/// Messages with the metadata of records.
#[derive(Debug)]
struct Shape(Arc<OnDemand>);

impl Form for Shape {
    fn shape(&self, idx: usize, message: &mut Message) {
        *message.metadata_mut() = Metadata::on_demand(&self.0, idx as u32);
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({:?}/{}, {} messages)", self.topic, self.partition, self.entries.len())
    }
}

/// Records that are put together.
#[derive(Default)]
pub(crate) struct Builder {
    /// How large the buffer becomes, as far as that is known: it is kept as long as one of its messages is.
    room: usize,
    buffer: Vec<u8>,
    ranges: Vec<Range>,
    entries: Vec<Entry>,
    headers: Vec<(Range, Range)>,
}

impl Builder {
    /// For records of which there are so many bytes, in one buffer or in several.
    pub(crate) fn for_bytes(n_bytes: usize) -> Builder {
        // What is larger than a parcel is divided.
        let room = if n_bytes <= 2 * PARCEL_BYTES_MAX { n_bytes } else { PARCEL_BYTES_MAX };
        Builder { room, ..Builder::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many bytes there are.
    pub(crate) fn n_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a parcel can take no more.
    pub(crate) fn is_full(&self) -> bool {
        PARCEL_MESSAGES_MAX <= self.entries.len() || PARCEL_BYTES_MAX <= self.buffer.len()
    }

    pub(crate) fn push(&mut self, record: Record<'_>) {
        if self.entries.is_empty() {
            self.buffer.reserve_exact(self.room.max(record.n_bytes()));
        }
        let payload = record.payload();
        let range = self.append(payload.unwrap_or_default());
        let key = record.key().map(|it| self.append(it));
        let first = self.headers.len() as u32;
        let mut header_bytes = 0;
        record.each_header(|name, value| {
            let value = value.unwrap_or_default();
            header_bytes += text_bytes(name.len(), value.len());
            let (name, value) = (self.append(name), self.append(value));
            self.headers.push((name, value));
        });
        self.ranges.push(range);
        self.entries.push(Entry {
            offset: record.offset(),
            // What no client of Bento's has either.
            timestamp_ms: record.timestamp_ms().unwrap_or(-1),
            key,
            headers: (first, self.headers.len() as u32),
            header_bytes,
            is_tombstone: payload.is_none(),
        });
    }

    fn append(&mut self, bytes: &[u8]) -> Range {
        let begin = self.buffer.len() as u32;
        self.buffer.extend_from_slice(bytes);
        (begin, self.buffer.len() as u32)
    }

    /// The messages, and what they are.
    pub(crate) fn finish(
        self,
        style: Style,
        topic: Text,
        partition: i32,
        end: Option<i64>,
    ) -> (Slices, Arc<Records>) {
        let buffer = Bytes::from(self.buffer);
        let mut records = Records {
            style,
            topic,
            partition,
            end,
            buffer: buffer.clone(),
            entries: self.entries,
            headers: self.headers,
            own_bytes: 0,
        };
        let mut own_bytes = 0;
        if let Some(entry) = records.entries.first() {
            records.each_own(entry, |name, value| own_bytes += pair_bytes(name.len(), &value));
        }
        records.own_bytes = own_bytes;
        let n_messages = records.len();
        let records = Arc::new(records);
        let source = Arc::clone(&records) as Arc<dyn MetadataSource>;
        let form = Arc::new(Shape(Arc::new(OnDemand::new(source, n_messages)))) as Arc<dyn Form>;
        (Slices { buffer, ranges: self.ranges, form: Some(form), ..Slices::default() }, records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_take_no_more_than_is_said_before_they_are_made() {
        let long = "x".repeat(600);
        let headers: [&[(&str, &str)]; 4] = [
            &[],
            &[("trace", "one"), ("trace", &long), ("other", "")],
            &[("kafka_topic", "mine"), ("kafka_key", &long)],
            &[("one", "a text that is long enough to be shared")],
        ];
        let mut builder = Builder::default();
        for key in [None, Some("k"), Some(long.as_str())] {
            for headers in headers {
                let key = key.map(|it| builder.append(it.as_bytes()));
                let (first, mut header_bytes) = (builder.headers.len() as u32, 0);
                for (name, value) in headers {
                    header_bytes += text_bytes(name.len(), value.len());
                    let header = (builder.append(name.as_bytes()), builder.append(value.as_bytes()));
                    builder.headers.push(header);
                }
                let headers = (first, builder.headers.len() as u32);
                builder.ranges.push((0, 0));
                builder.entries.push(Entry {
                    offset: 7,
                    timestamp_ms: 1,
                    key,
                    headers,
                    header_bytes,
                    is_tombstone: false,
                });
            }
        }
        for bits in 0..16 {
            let is = |bit: u32| bits >> bit & 1 == 1;
            let style = Style { empty_key: is(0), lag: is(1), headers_win: is(2), multi_header: is(3) };
            let builder = Builder {
                buffer: builder.buffer.clone(),
                ranges: builder.ranges.clone(),
                entries: builder.entries.clone(),
                headers: builder.headers.clone(),
                ..Builder::default()
            };
            let topic = Text::from("a-topic-with-a-name-that-is-long");
            let (slices, records) = builder.finish(style, topic, 3, Some(9));
            for (idx, message) in slices.messages().iter().enumerate() {
                let (said, made) = (records.size(idx), records.metadata(idx));
                let has_headers = 0 < records.entries[idx].header_bytes;
                match said {
                    Some(said) if has_headers => {
                        assert!((made.size()..2 * made.size() + 1000).contains(&said))
                    }
                    Some(said) => assert_eq!(said, made.size(), "{style:?}, {idx}"),
                    None => assert!(style.multi_header && has_headers),
                }
                assert_eq!(*message.metadata(), made);
            }
        }
    }
}
