//! What the client library can do and its binding cannot, or not without panicking on what strangers send.
#![expect(unsafe_code, reason = "the library is written in C, and its binding lacks these calls")]

use std::{
    ffi::{CStr, CString, NulError, c_void},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
    slice,
    sync::Arc,
};

use rdkafka::{
    bindings::{
        RD_KAFKA_MSG_F_COPY, rd_kafka_consume_batch_queue, rd_kafka_get_watermark_offsets,
        rd_kafka_header_get_all, rd_kafka_headers_t, rd_kafka_last_error, rd_kafka_message_destroy,
        rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_produce_batch,
        rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_get_main,
        rd_kafka_queue_get_partition, rd_kafka_queue_length, rd_kafka_queue_t, rd_kafka_resp_err_t,
        rd_kafka_t, rd_kafka_timestamp_type_t, rd_kafka_topic_destroy, rd_kafka_topic_new, rd_kafka_topic_t,
    },
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::RDKafkaErrorCode,
    message::BorrowedMessage,
    producer::{BaseProducer, Partitioner, Producer, ProducerContext},
};

/// A message as the library has it.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a>(&'a rd_kafka_message_t);

impl<'a> Record<'a> {
    /// What the binding has read.
    pub(crate) fn of(message: &'a BorrowedMessage<'_>) -> Record<'a> {
        // SAFETY: it is alive as long as the message is, and nobody changes it.
        Record(unsafe { &*message.ptr() })
    }

    pub(crate) fn payload(self) -> Option<&'a [u8]> {
        bytes(self.0.payload, self.0.len)
    }

    pub(crate) fn key(self) -> Option<&'a [u8]> {
        bytes(self.0.key, self.0.key_len)
    }

    /// The bytes of its payload and its key.
    pub(crate) fn n_bytes(self) -> usize {
        self.0.len + self.0.key_len
    }

    pub(crate) fn offset(self) -> i64 {
        self.0.offset
    }

    /// In milliseconds; nothing where the broker keeps none.
    pub(crate) fn timestamp_ms(self) -> Option<i64> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let at = unsafe { rd_kafka_message_timestamp(self.0, &mut kind) };
        (kind != rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(at)
    }

    /// Shows each header: its name, which may be any bytes but NUL, and its value, if it has one.
    ///
    /// The binding's own way panics where a name is not UTF-8.
    pub(crate) fn each_header(self, mut see: impl FnMut(&[u8], Option<&[u8]>)) {
        let mut headers: *mut rd_kafka_headers_t = ptr::null_mut();
        // SAFETY: the message is alive, and the headers are its own and live as long.
        if unsafe { rd_kafka_message_headers(self.0, &mut headers) } != NO_ERROR || headers.is_null() {
            return;
        }
        for idx in 0.. {
            let (mut name, mut value, mut n_bytes) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers are alive; behind the last one the call says that there is none.
            let result =
                unsafe { rd_kafka_header_get_all(headers, idx, &mut name, &mut value, &mut n_bytes) };
            if result != NO_ERROR {
                return;
            }
            // SAFETY: the name ends with a NUL, and both live as long as the message.
            let name = unsafe { CStr::from_ptr(name) }.to_bytes();
            let value = (!value.is_null()).then(|| {
                // SAFETY: it has so many bytes.
                unsafe { slice::from_raw_parts(value.cast::<u8>(), n_bytes) }
            });
            see(name, value);
        }
    }
}

fn bytes<'a>(begin: *const c_void, n_bytes: usize) -> Option<&'a [u8]> {
    // SAFETY: the library says that there are so many, and keeps them as long as their message.
    (!begin.is_null()).then(|| unsafe { slice::from_raw_parts(begin.cast::<u8>(), n_bytes) })
}

/// A message that is ours until it is dropped.
pub(crate) struct Taken(NonNull<rd_kafka_message_t>);

impl Taken {
    /// The message; the error is what the library says instead of one, and what it says of it.
    pub(crate) fn record(&self) -> Result<Record<'_>, (RDKafkaErrorCode, String)> {
        // SAFETY: it is alive until this is dropped.
        let message = unsafe { self.0.as_ref() };
        if message.err == NO_ERROR {
            return Ok(Record(message));
        }
        let reason = bytes(message.payload, message.len).map(String::from_utf8_lossy).unwrap_or_default();
        Err((message.err.into(), reason.trim().to_string()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody else destroys it.
        unsafe { rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// The queue of a partition, of which many messages are taken at once: the binding's own way takes one by one, and asks for
/// the time several times for each.
pub(crate) struct Fetched<C: ConsumerContext> {
    queue: NonNull<rd_kafka_queue_t>,
    /// It outlives its queue, and so do the messages that were taken: whoever has them has this.
    _client: Arc<BaseConsumer<C>>,
}

// SAFETY: queues of the library may be used by any thread.
unsafe impl<C: ConsumerContext> Send for Fetched<C> {}

impl<C: ConsumerContext> Fetched<C> {
    pub(crate) fn of(client: &Arc<BaseConsumer<C>>, topic: &str, partition: i32) -> Option<Fetched<C>> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client is alive. What is returned is one more reference to the queue.
        let queue =
            unsafe { rd_kafka_queue_get_partition(client.client().native_ptr(), topic.as_ptr(), partition) };
        Some(Fetched { queue: NonNull::new(queue)?, _client: Arc::clone(client) })
    }

    /// What is there, up to so many messages, appended to `taken`, which has to be gone before this is.
    pub(crate) fn take(&self, n_max: usize, taken: &mut Vec<Taken>) {
        let mut found: Vec<*mut rd_kafka_message_t> = vec![ptr::null_mut(); n_max];
        // SAFETY: there is room for so many, and the queue is alive.
        let n = unsafe { rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, found.as_mut_ptr(), n_max) };
        // Less than nothing is an error of the call, of which there is none here.
        let n = usize::try_from(n).unwrap_or_default();
        taken.extend(found.into_iter().take(n).filter_map(NonNull::new).map(Taken));
    }
}

impl<C: ConsumerContext> Drop for Fetched<C> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and its client is alive.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// A topic of a producer.
pub(crate) struct Topic<C: ProducerContext<P> + 'static, P: Partitioner + 'static> {
    topic: NonNull<rd_kafka_topic_t>,
    /// It outlives its topics.
    _client: Arc<BaseProducer<C, P>>,
}

// SAFETY: topics of the library may be used by any thread.
unsafe impl<C: ProducerContext<P> + 'static, P: Partitioner + 'static> Send for Topic<C, P> {}

/// Why there is no topic of a name.
pub(crate) enum NoTopic {
    /// It has a NUL.
    Nul(NulError),
    /// The library's word.
    Code(RDKafkaErrorCode),
}

/// Messages that go to one topic, and to one partition or each to the one that the library chooses: what it would look up,
/// lock and ask for for each, it does once. They have no headers.
pub(crate) struct Letters<'a> {
    messages: Vec<rd_kafka_message_t>,
    /// What they point to.
    _bytes: PhantomData<&'a [u8]>,
}

/// What the library takes for a partition that it is to choose.
const ANY_PARTITION: i32 = -1;

impl<'a> Letters<'a> {
    /// None, with room for so many.
    pub(crate) fn with_capacity(n: usize) -> Letters<'a> {
        Letters { messages: Vec::with_capacity(n), _bytes: PhantomData }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Forgets all of them, and tells their tickets.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = usize> {
        self.messages.drain(..).map(|it| it._private.addr())
    }

    /// One more; what is told of it later is told with its ticket.
    pub(crate) fn push(&mut self, payload: &'a [u8], key: Option<&'a [u8]>, ticket: usize) {
        let (key, key_len) = key.map_or((ptr::null(), 0), |it| (it.as_ptr(), it.len()));
        self.messages.push(rd_kafka_message_t {
            err: NO_ERROR,
            rkt: ptr::null_mut(),
            partition: ANY_PARTITION,
            payload: payload.as_ptr().cast_mut().cast(),
            len: payload.len(),
            key: key.cast_mut().cast(),
            key_len,
            offset: 0,
            _private: ptr::without_provenance_mut(ticket),
        });
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + 'static> Topic<C, P> {
    pub(crate) fn of(client: &Arc<BaseProducer<C, P>>, name: &str) -> Result<Topic<C, P>, NoTopic> {
        let name = CString::new(name).map_err(NoTopic::Nul)?;
        // SAFETY: the client is alive. What is returned is one more reference to the topic.
        let topic =
            unsafe { rd_kafka_topic_new(client.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        match NonNull::new(topic) {
            Some(topic) => Ok(Topic { topic, _client: Arc::clone(client) }),
            // SAFETY: it asks for what the thread's last call said.
            None => Err(NoTopic::Code(unsafe { rd_kafka_last_error() }.into())),
        }
    }

    /// Gives all of them to the library, which copies them. Shows the tickets of those that it does not take, with its word.
    pub(crate) fn send(
        &self,
        partition: Option<i32>,
        letters: &mut Letters<'_>,
        mut see: impl FnMut(usize, RDKafkaErrorCode),
    ) {
        let messages = &mut letters.messages;
        // SAFETY: there are so many, and what they point to is alive; it is copied.
        unsafe {
            rd_kafka_produce_batch(
                self.topic.as_ptr(),
                partition.unwrap_or(ANY_PARTITION),
                RD_KAFKA_MSG_F_COPY,
                messages.as_mut_ptr(),
                i32::try_from(messages.len()).expect("a delivery has fewer"),
            );
        }
        for message in messages.drain(..).filter(|it| it.err != NO_ERROR) {
            see(message._private.addr(), message.err.into());
        }
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + 'static> Drop for Topic<C, P> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and its client is alive.
        unsafe { rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}

/// What a producer has to say, for who waits for it: the binding's own way of waiting spins for the last millisecond of its
/// time, for all of which it waits whatever comes.
pub(crate) struct Reports<C: ProducerContext<P> + 'static, P: Partitioner + 'static> {
    queue: NonNull<rd_kafka_queue_t>,
    /// What is called is alive as long as the library may call it.
    _call: Box<Call>,
    /// It outlives its queue.
    _client: Arc<BaseProducer<C, P>>,
}

type Call = Box<dyn Fn() + Send + Sync>;

impl<C: ProducerContext<P> + 'static, P: Partitioner + 'static> Reports<C, P> {
    /// Calls `call`, on a thread of the library, as soon as there is something where nothing was.
    pub(crate) fn of(client: &Arc<BaseProducer<C, P>>, call: Call) -> Option<Reports<C, P>> {
        // SAFETY: the client is alive. What is returned is one more reference to the queue.
        let queue = unsafe { rd_kafka_queue_get_main(client.client().native_ptr()) };
        let queue = NonNull::new(queue)?;
        let mut call = Box::new(call);
        let opaque: *mut Call = &mut *call;
        // SAFETY: the queue is alive, and what it is given stays where it is until this is dropped, which takes it away.
        unsafe { rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(call_of), opaque.cast()) };
        Some(Reports { queue, _call: call, _client: Arc::clone(client) })
    }

    /// Whether there is something.
    pub(crate) fn are_there(&self) -> bool {
        // SAFETY: the queue is alive.
        0 < unsafe { rd_kafka_queue_length(self.queue.as_ptr()) }
    }
}

impl<C: ProducerContext<P> + 'static, P: Partitioner + 'static> Drop for Reports<C, P> {
    fn drop(&mut self) {
        // SAFETY: the queue is alive, and the reference ours. Behind the first call nothing is called any more.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

unsafe extern "C" fn call_of(_: *mut rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: it is what the queue was given, which is alive as long as it is called.
    let call = unsafe { &*opaque.cast::<Call>() };
    // Nothing may unwind into the library.
    _ = catch_unwind(AssertUnwindSafe(call));
}

const NO_ERROR: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// The offset behind the last message that the broker has of a partition, as the last answer said; nothing where there was
/// none yet.
pub(crate) fn end_of<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (0, 0);
    // SAFETY: the client is alive, and the call looks at what it has kept only.
    let result = unsafe {
        rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &mut low,
            &mut high,
        )
    };
    (result == NO_ERROR && 0 <= high).then_some(high)
}
