// Makes a wasm component of a guest that is written against wappa.h: the functions of interface v1 over the imports of
// the world in guest/wit. Compile it, processor.c and the guest with -DWAPPA_COMPONENT, and link them with
// processor_component_type.o.
//
// One thing differs from v1: messages that take the place of one that came with an error mark have none.
#ifndef WAPPA_COMPONENT
#error "compile all files of a component with -DWAPPA_COMPONENT"
#endif

#include "processor.h"
#include "wappa.h"
#include "wappa_component_text.h"

#include <string.h>

typedef wappa_processor_types_value_t value;
typedef wappa_processor_types_message_t sent_message;
typedef wappa_processor_types_disposition_t disposition;
typedef wappa_processor_types_list_tuple2_string_value_t pairs;

// A guest without WAPPA_INIT.
__attribute__((weak)) int32_t wappa_guest_init(void) { return 0; }

// The call: its batch, the message at work, and what was said of those before it.
static struct {
    wappa_processor_types_borrow_batch_t batch;
    uint32_t len;
    uint32_t at;
    bool has_message;
    disposition *dispositions;

    // All contents, from the first time that one is asked for.
    bool has_contents;
    processor_tuple2_list_u8_list_u32_t contents;
} call;

// What the guest said of the message at work, and asked.
static struct {
    bool is_written, is_filtered, has_failed;
    processor_list_u8_t content; // When it was written.
    sent_message *emitted;
    size_t emitted_len, emitted_room;
    wappa_buf reason;
    bool has_position;
    processor_tuple2_u32_u32_t position;
} work;

static processor_list_tuple2_string_string_t config;

// The last line of the log at level error: why a guest refuses to start.
static wappa_buf last_error;

static void *need(void *memory) {
    if (memory == NULL) __builtin_trap();
    return memory;
}

// Bytes that the host is given. No bytes have no memory, and none is freed for them.
static uint8_t *copy(const void *data, size_t len) { return len > 0 ? memcpy(need(malloc(len)), data, len) : NULL; }

// The generated functions that free pass over the lists of bytes in what they free (wit-bindgen 0.63), so these are
// ours.
static void free_bytes(void *ptr, size_t len) {
    if (len > 0) free(ptr);
}

static void free_value(value *old) { free_bytes(old->val.text.ptr, old->val.text.len); } // All three lie alike.

static void free_pairs(pairs *old) {
    for (size_t i = 0; i < old->len; i++) {
        free_bytes(old->ptr[i].f0.ptr, old->ptr[i].f0.len);
        free_value(&old->ptr[i].f1);
    }
    free_bytes(old->ptr, old->len);
}

static void check_message(void) {
    if (!call.has_message) __builtin_trap();
}

static int32_t answer(const void *data, size_t len, void *buf, uint32_t cap) {
    if (len > 0 && len <= cap) memcpy(buf, data, len);
    return (int32_t)len;
}

// Text for the host, which does not take what is not UTF-8.
static processor_string_t as_string(const char *data, size_t len, wappa_buf *room) {
    if (!wappa_is_utf8(data, len)) {
        wappa_buf_clear(room);
        wappa_add_utf8(room, data, len);
        data = room->data;
        len = room->len;
    }
    return (processor_string_t){(uint8_t *)data, len};
}

// ---- The content

static processor_list_u8_t content(void) {
    check_message();
    if (work.is_written) return work.content;
    if (!call.has_contents) {
        wappa_processor_types_method_batch_contents(call.batch, &call.contents);
        call.has_contents = true;
    }
    uint32_t start = call.at > 0 ? call.contents.f1.ptr[call.at - 1] : 0;
    return (processor_list_u8_t){call.contents.f0.ptr + start, call.contents.f1.ptr[call.at] - start};
}

uint32_t wappa_v1_content_len(void) { return content().len; }

uint32_t wappa_v1_content_read(uint32_t offset, void *buf, uint32_t cap) {
    processor_list_u8_t all = content();
    size_t left = offset < all.len ? all.len - offset : 0, len = cap < left ? cap : left;
    if (len > 0) memcpy(buf, all.ptr + offset, len);
    return len;
}

void wappa_v1_content_write(const void *data, uint32_t len) {
    check_message();
    uint8_t *written = copy(data, len); // It may be part of what it replaces.
    if (work.is_written) free_bytes(work.content.ptr, work.content.len);
    work.content = (processor_list_u8_t){written, len};
    work.is_written = true;
}

// ---- The metadata

static bool get(const char *key, uint32_t key_len, value *into) {
    check_message();
    processor_string_t name = {(uint8_t *)key, key_len};
    return wappa_processor_types_method_batch_get_metadata(call.batch, call.at, &name, into);
}

int32_t wappa_v1_meta_get(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    value found;
    if (!get(key, key_len, &found)) return -1;
    int32_t len = answer(found.val.text.ptr, found.val.text.len, buf, cap);
    free_value(&found);
    return len;
}

int32_t wappa_v1_meta_get_json(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    static wappa_buf json;
    value found;
    if (!get(key, key_len, &found)) return -1;
    wappa_buf_clear(&json);
    if (found.tag == WAPPA_PROCESSOR_TYPES_VALUE_JSON) {
        wappa_buf_add(&json, found.val.json.ptr, found.val.json.len);
    } else {
        wappa_add_json_text(&json, (const char *)found.val.text.ptr, found.val.text.len);
    }
    free_value(&found);
    return answer(json.data, json.len, buf, cap);
}

static void set(const char *key, uint32_t key_len, uint8_t tag, const void *data, uint32_t len) {
    check_message();
    processor_string_t name = {(uint8_t *)key, key_len};
    value new_value = {.tag = tag, .val.text = {(uint8_t *)data, len}};
    wappa_processor_types_method_batch_set_metadata(call.batch, call.at, &name, &new_value);
}

void wappa_v1_meta_set(const char *key, uint32_t key_len, const void *data, uint32_t len) {
    bool is_text = wappa_is_utf8(data, len);
    set(key, key_len, is_text ? WAPPA_PROCESSOR_TYPES_VALUE_TEXT : WAPPA_PROCESSOR_TYPES_VALUE_BYTES, data, len);
}

void wappa_v1_meta_set_json(const char *key, uint32_t key_len, const void *json, uint32_t len) {
    set(key, key_len, WAPPA_PROCESSOR_TYPES_VALUE_JSON, json, len);
}

int32_t wappa_v1_meta_delete(const char *key, uint32_t key_len) {
    check_message();
    processor_string_t name = {(uint8_t *)key, key_len};
    return wappa_processor_types_method_batch_delete_metadata(call.batch, call.at, &name) ? 1 : 0;
}

int32_t wappa_v1_meta_keys(void *buf, uint32_t cap) {
    static wappa_buf keys;
    pairs all;
    check_message();
    wappa_processor_types_method_batch_metadata(call.batch, call.at, &all);
    wappa_buf_clear(&keys);
    for (size_t i = 0; i < all.len; i++) {
        uint32_t len = all.ptr[i].f0.len; // Little-endian, as everything in WebAssembly.
        wappa_buf_add(&keys, &len, sizeof len);
        wappa_buf_add(&keys, all.ptr[i].f0.ptr, len);
    }
    free_pairs(&all);
    return answer(keys.data, keys.len, buf, cap);
}

// ---- The error mark, and what becomes of the message

int32_t wappa_v1_error_get(void *buf, uint32_t cap) {
    processor_string_t mark;
    check_message();
    if (!wappa_processor_types_method_batch_error(call.batch, call.at, &mark)) return -1;
    int32_t len = answer(mark.ptr, mark.len, buf, cap);
    free_bytes(mark.ptr, mark.len);
    return len;
}

void wappa_v1_error_clear(void) {
    check_message();
    wappa_processor_types_method_batch_clear_error(call.batch, call.at);
}

static void add_emitted(processor_list_u8_t new_content) {
    if (work.emitted_len == work.emitted_room) {
        work.emitted_room = work.emitted_room > 0 ? work.emitted_room * 2 : 4;
        work.emitted = need(realloc(work.emitted, work.emitted_room * sizeof *work.emitted));
    }
    sent_message *message = &work.emitted[work.emitted_len++];
    message->content = new_content;
    wappa_processor_types_method_batch_metadata(call.batch, call.at, &message->metadata);
}

void wappa_v1_emit(void) {
    processor_list_u8_t now = content();
    add_emitted((processor_list_u8_t){copy(now.ptr, now.len), now.len});
}

void wappa_v1_filter(void) {
    check_message();
    work.is_filtered = true;
}

void wappa_v1_fail(const char *reason, uint32_t len) {
    check_message();
    work.has_failed = true;
    wappa_buf_clear(&work.reason);
    wappa_add_utf8(&work.reason, reason, len);
}

static void forget_work(void) {
    if (work.is_written) free_bytes(work.content.ptr, work.content.len);
    for (size_t i = 0; i < work.emitted_len; i++) {
        free_bytes(work.emitted[i].content.ptr, work.emitted[i].content.len);
        free_pairs(&work.emitted[i].metadata);
    }
    free(work.emitted);
}

// What was written and emitted moves into the disposition, and is freed when the host has read it.
static void finish(void) {
    disposition *said = &call.dispositions[call.at];
    if (work.has_failed) {
        said->tag = WAPPA_PROCESSOR_TYPES_DISPOSITION_FAIL;
        said->val.fail = (processor_string_t){copy(work.reason.data, work.reason.len), work.reason.len};
        forget_work();
    } else if (work.emitted_len > 0) {
        if (!work.is_filtered) {
            processor_list_u8_t last = content();
            if (!work.is_written) last.ptr = copy(last.ptr, last.len);
            add_emitted(last);
        } else if (work.is_written) {
            free_bytes(work.content.ptr, work.content.len);
        }
        said->tag = WAPPA_PROCESSOR_TYPES_DISPOSITION_SEND;
        said->val.send = (wappa_processor_types_list_message_t){work.emitted, work.emitted_len};
    } else if (work.is_filtered) {
        said->tag = WAPPA_PROCESSOR_TYPES_DISPOSITION_FILTER;
        forget_work();
    } else if (work.is_written) {
        said->tag = WAPPA_PROCESSOR_TYPES_DISPOSITION_CONTENT;
        said->val.content = work.content;
    } else {
        said->tag = WAPPA_PROCESSOR_TYPES_DISPOSITION_KEEP;
    }
    wappa_buf reason = work.reason;
    memset(&work, 0, sizeof work);
    work.reason = reason;
    call.has_message = false;
    call.at++;
}

int32_t wappa_v1_next(void) {
    check_message();
    finish();
    if (call.at == call.len) return -1;
    call.has_message = true;
    return 1;
}

static const processor_tuple2_u32_u32_t *position(void) {
    check_message();
    if (!work.has_position) wappa_processor_types_method_batch_position(call.batch, call.at, &work.position);
    work.has_position = true;
    return &work.position;
}

uint32_t wappa_v1_batch_index(void) { return position()->f0; }

uint32_t wappa_v1_batch_len(void) { return position()->f1; }

// ---- What there is besides messages

int32_t wappa_v1_config_get(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    for (size_t i = 0; i < config.len; i++) {
        processor_string_t name = config.ptr[i].f0, text = config.ptr[i].f1;
        if (name.len == key_len && (key_len == 0 || memcmp(name.ptr, key, key_len) == 0)) {
            return answer(text.ptr, text.len, buf, cap);
        }
    }
    return -1;
}

void wappa_v1_log(int32_t level, const char *text, uint32_t len) {
    static wappa_buf room;
    processor_string_t line = as_string(text, len, &room);
    if (level == WAPPA_ERROR) {
        wappa_buf_clear(&last_error);
        wappa_buf_add(&last_error, line.ptr, line.len);
    }
    if (level < WAPPA_TRACE || level > WAPPA_ERROR) __builtin_trap();
    wappa_processor_log_log((wappa_processor_log_level_t)level, &line);
}

void wappa_v1_counter_add(const char *name, uint32_t len, int64_t delta) {
    processor_string_t text = {(uint8_t *)name, len};
    if (delta < 0) __builtin_trap();
    wappa_processor_metrics_counter_add(&text, (uint64_t)delta);
}

int64_t wappa_v1_now(void) {
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    return (int64_t)(now.seconds * 1000000000 + now.nanoseconds);
}

void wappa_v1_random(void *buf, uint32_t len) {
    processor_list_u8_t bytes;
    wasi_random_random_get_random_bytes(len, &bytes);
    answer(bytes.ptr, bytes.len, buf, len);
    free_bytes(bytes.ptr, bytes.len);
}

// ---- What the component exports

bool exports_wappa_processor_transform_configure(processor_list_tuple2_string_string_t *entries,
                                                 processor_string_t *err) {
    config = *entries;
    int32_t code = wappa_guest_init();
    if (code == 0) return true;
    if (last_error.len == 0) {
        wappa_buf_add_text(&last_error, "`wappa_init` returned ");
        wappa_buf_add_i64(&last_error, code);
    }
    *err = (processor_string_t){copy(last_error.data, last_error.len), last_error.len};
    return false;
}

void exports_wappa_processor_transform_process(exports_wappa_processor_transform_own_batch_t batch,
                                               exports_wappa_processor_transform_list_disposition_t *ret) {
    call.batch = wappa_processor_types_borrow_batch(batch);
    call.len = wappa_processor_types_method_batch_len(call.batch);
    call.at = 0;
    call.dispositions = need(malloc(call.len * sizeof *call.dispositions));
    // A guest that never asks for the next message is called for each.
    while (call.at < call.len) {
        call.has_message = true;
        wappa_guest_process();
        if (call.has_message) finish();
    }
    if (call.has_contents) {
        free_bytes(call.contents.f0.ptr, call.contents.f0.len);
        free_bytes(call.contents.f1.ptr, call.contents.f1.len);
        call.has_contents = false;
    }
    wappa_processor_types_batch_drop_own(batch);
    *ret = (exports_wappa_processor_transform_list_disposition_t){call.dispositions, call.len};
}
