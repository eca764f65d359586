//! Records: messages of one partition as they came in, in one buffer, and what they are beside their bytes.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use wappa_component::{Form, PARCEL_BYTES_MAX, PARCEL_MESSAGES_MAX, Slices};
use wappa_message::{Message, Metadata, Text, Value};

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

/// A piece of the buffer.
type Range = (u32, u32);

#[derive(Clone, Copy)]
struct Entry {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Range>,
    /// Which of the headers are its own.
    headers: Range,
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

    /// What the input says of a message, in the order of the names, in which they are kept.
    fn own_pairs(&self, entry: &Entry) -> Vec<(Bytes, Value)> {
        let mut pairs = Vec::with_capacity(OWN_PAIRS_MAX);
        let mut add = |name: &'static str, value| pairs.push((Bytes::from_static(name.as_bytes()), value));
        match entry.key {
            Some(key) => add("kafka_key", self.text(key)),
            None if self.style.empty_key => add("kafka_key", Value::Text(Text::EMPTY)),
            None => (),
        }
        if self.style.lag {
            let lag = |end: i64| Value::Int((end - entry.offset - 1).max(0));
            add("kafka_lag", self.end.map_or(Value::Int(0), lag));
        }
        add("kafka_offset", Value::Int(entry.offset));
        add("kafka_partition", Value::Int(self.partition.into()));
        add("kafka_timestamp_unix", Value::Int(entry.timestamp_ms.div_euclid(1000)));
        add("kafka_timestamp_unix_ms", Value::Int(entry.timestamp_ms));
        add("kafka_tombstone_message", Value::Bool(entry.is_tombstone));
        add("kafka_topic", Value::Text(self.topic.clone()));
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
}

impl Form for Records {
    fn shape(&self, idx: usize, message: &mut Message) {
        *message.metadata_mut() = self.metadata(idx);
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
        record.each_header(|name, value| {
            let (name, value) = (self.append(name), self.append(value.unwrap_or_default()));
            self.headers.push((name, value));
        });
        self.ranges.push(range);
        self.entries.push(Entry {
            offset: record.offset(),
            // What no client of Bento's has either.
            timestamp_ms: record.timestamp_ms().unwrap_or(-1),
            key,
            headers: (first, self.headers.len() as u32),
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
        let records = Arc::new(Records {
            style,
            topic,
            partition,
            end,
            buffer: buffer.clone(),
            entries: self.entries,
            headers: self.headers,
        });
        let form = Arc::clone(&records) as Arc<dyn Form>;
        (Slices { buffer, ranges: self.ranges, form: Some(form), ..Slices::default() }, records)
    }
}
