//! What the engine counts and measures of every component.

wappa_component::series! {
    INPUT_RECEIVED: counter "input_received", [], "Messages that were read, without replays.";
    INPUT_UNANSWERED: gauge "input_unanswered", [], "Messages that were read and are not answered yet.";
    INPUT_REPLAYED: counter "input_replayed", [], "Messages that failed and are delivered again, each time counted.";
    INPUT_CONNECTION_UP: counter "input_connection_up", [], "How often the input was connected.";
    INPUT_CONNECTION_FAILED: counter "input_connection_failed", [], "Attempts to connect that failed.";
    INPUT_CONNECTION_LOST: counter "input_connection_lost", [], "How often a connection was lost.";
    INPUT_LATENCY_NS: timing "input_latency_ns", [], "From the reading of messages to their answer, for what was read at once.";
    BUFFER_RECEIVED: counter "buffer_received", [], "Messages that were put into the buffer.";
    BUFFER_BATCH_RECEIVED: counter "buffer_batch_received", [], "Batches that were put into the buffer.";
    BUFFER_SENT: counter "buffer_sent", [], "Messages that came out of the buffer, without replays.";
    BUFFER_BATCH_SENT: counter "buffer_batch_sent", [], "Batches that came out of the buffer.";
    BUFFER_LATENCY_NS: timing "buffer_latency_ns", [], "From when messages came out of the buffer to their answer, for what came out at once.";
    PROCESSOR_RECEIVED: counter "processor_received", [], "Messages that came to the processor.";
    PROCESSOR_BATCH_RECEIVED: counter "processor_batch_received", [], "Batches that came to the processor.";
    PROCESSOR_SENT: counter "processor_sent", [], "Messages that went on from it; the difference was filtered, or added.";
    PROCESSOR_BATCH_SENT: counter "processor_batch_sent", [], "Batches that went on from it with a message in them.";
    PROCESSOR_ERROR: counter "processor_error", [], "Messages that it marked as failed.";
    PROCESSOR_LATENCY_NS: timing "processor_latency_ns", [], "How long a batch took, as a share of its part.";
    OUTPUT_SENT: counter "output_sent", [], "Messages that the output has written.";
    OUTPUT_BATCH_SENT: counter "output_batch_sent", [], "Batches that the output has written.";
    OUTPUT_ERROR: counter "output_error", [], "Messages that it could not write, or rejected.";
    OUTPUT_CONNECTION_UP: counter "output_connection_up", [], "How often the output was connected.";
    OUTPUT_CONNECTION_FAILED: counter "output_connection_failed", [], "Attempts to connect that failed.";
    OUTPUT_CONNECTION_LOST: counter "output_connection_lost", [], "How often a connection was lost.";
    OUTPUT_LATENCY_NS: timing "output_latency_ns", [], "How long the writing of a batch took, as a share of its part.";
    CACHE_SUCCESS: counter "cache_success", ["operation"], "What the cache did as it was asked to; `operation` is `get`, `exists`, `set`, `add` or `delete`.";
    CACHE_ERROR: counter "cache_error", ["operation"], "What it could not do.";
    CACHE_NOT_FOUND: counter "cache_not_found", ["operation"], "Values that were asked for and not there.";
    CACHE_DUPLICATE: counter "cache_duplicate", ["operation"], "Values that were to be added and there already.";
    CACHE_LATENCY_NS: timing "cache_latency_ns", ["operation"], "How long a call of the cache took.";
    RATE_LIMIT_CHECKED: counter "rate_limit_checked", [], "How often somebody asked the rate limit.";
    RATE_LIMIT_TRIGGERED: counter "rate_limit_triggered", [], "How often somebody was told to wait.";
    RATE_LIMIT_ERROR: counter "rate_limit_error", [], "How often the rate limit could not tell.";
}
