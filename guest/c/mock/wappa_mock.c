// The mock host as a test sees it: what goes in, the run, what came out.
#include "wappa_mock_state.h"

#include <stdio.h>
#include <string.h>

mock wappa_mock_state = {.random = 1};

#define m wappa_mock_state

// A guest without WAPPA_INIT or WAPPA_CLOSE.
__attribute__((weak)) int32_t wappa_guest_init(void) { return 0; }
__attribute__((weak)) void wappa_guest_close(void) {}

_Noreturn static void stop(const char *mistake) {
    fprintf(stderr, "wappa_mock: %s\n", mistake);
    abort();
}

static void forget_messages_of(slot *it) {
    wappa_mock_message_free(&it->in);
    for (size_t i = 0; i < it->out_len; i++) wappa_mock_message_free(&it->out[i]);
    free(it->out);
    wappa_buf_free(&it->failed);
}

void wappa_mock_reset(void) {
    if (m.has_started) wappa_guest_close();
    for (size_t i = 0; i < m.slots_len; i++) forget_messages_of(&m.slots[i]);
    for (size_t i = 0; i < m.lines_len; i++) free(m.lines[i].text);
    for (size_t i = 0; i < m.counters_len; i++) free(m.counters[i].name);
    wappa_mock_message_free(&m.config);
    wappa_mock_message_free(&m.now);
    free(m.slots);
    free(m.lines);
    free(m.counters);
    memset(&m, 0, sizeof m);
    m.random = 1;
}

void wappa_mock_config(const char *key, const char *value) {
    wappa_mock_put(&m.config, key, strlen(key), value, strlen(value), false);
}

void wappa_mock_time(int64_t nanoseconds) { m.time = nanoseconds; }

void wappa_mock_messages_per_call(size_t count) { m.per_call = count; }

size_t wappa_mock_add(const void *content, size_t len) {
    m.slots = wappa_mock_grow(m.slots, m.slots_len, sizeof *m.slots);
    memset(&m.slots[m.slots_len], 0, sizeof *m.slots);
    m.slots[m.slots_len].in.content = wappa_mock_copy(content, len);
    m.slots[m.slots_len].in.len = len;
    return m.slots_len++;
}

size_t wappa_mock_add_text(const char *text) { return wappa_mock_add(text, strlen(text)); }

static slot *slot_of(size_t message) {
    if (message >= m.slots_len) stop("there is no message of that number");
    return &m.slots[message];
}

void wappa_mock_set_meta_bytes(size_t message, const char *key, const void *data, size_t len) {
    wappa_mock_put(&slot_of(message)->in, key, strlen(key), data, len, false);
}

void wappa_mock_set_meta(size_t message, const char *key, const char *text) {
    wappa_mock_set_meta_bytes(message, key, text, strlen(text));
}

void wappa_mock_set_meta_json(size_t message, const char *key, const char *json) {
    if (!wappa_mock_put_json(&slot_of(message)->in, key, strlen(key), json, strlen(json))) {
        stop("wappa_mock_set_meta_json: the value is not JSON");
    }
}

void wappa_mock_set_error(size_t message, const char *text) {
    wappa_mock_set_mark(&slot_of(message)->in, text, strlen(text));
}

void wappa_mock_begin(void) {
    wappa_mock_message_copy(&m.now, &m.slots[m.at].in);
    m.is_filtered = false;
    m.has_message = true;
}

static void add_out(slot *it, const wappa_mock_message *message) {
    it->out = wappa_mock_grow(it->out, it->out_len, sizeof *it->out);
    wappa_mock_message_copy(&it->out[it->out_len++], message);
}

void wappa_mock_finish(void) {
    slot *it = &m.slots[m.at];
    if (it->has_failed) {
        while (it->out_len > 0) wappa_mock_message_free(&it->out[--it->out_len]);
        add_out(it, &it->in);
        wappa_mock_set_mark(&it->out[0], it->failed.data, it->failed.len);
    } else if (!m.is_filtered) {
        add_out(it, &m.now);
    }
    wappa_mock_message_free(&m.now);
    m.has_message = false;
    m.at++;
    m.in_call++;
}

static bool start(void) {
    if (m.has_started) return true;
    if (setjmp(m.trap) == 0) m.has_started = wappa_guest_init() == 0;
    return m.has_started;
}

bool wappa_mock_run(void) {
    if (!start()) return false;
    while (m.at < m.slots_len) {
        m.in_call = 0;
        wappa_mock_begin();
        if (setjmp(m.trap) == 0) wappa_guest_process();
        if (m.has_message) wappa_mock_finish();
    }
    m.batch_first = m.slots_len;
    return true;
}

static slot *finished(size_t message) {
    if (message >= m.at) stop("that message was not run yet: call wappa_mock_run");
    return slot_of(message);
}

size_t wappa_mock_count(size_t message) { return finished(message)->out_len; }

const wappa_mock_message *wappa_mock_out(size_t message, size_t index) {
    slot *it = finished(message);
    return index < it->out_len ? &it->out[index] : NULL;
}

const char *wappa_mock_failed(size_t message) {
    slot *it = finished(message);
    return it->has_failed ? it->failed.data : NULL;
}

bool wappa_mock_trapped(size_t message) { return finished(message)->has_trapped; }

const wappa_mock_value *wappa_mock_meta(const wappa_mock_message *message, const char *key) {
    return wappa_mock_find(message, key, strlen(key));
}

const wappa_mock_line *wappa_mock_log(size_t index) { return index < m.lines_len ? &m.lines[index] : NULL; }

int64_t wappa_mock_counter(const char *name) {
    for (size_t i = 0; i < m.counters_len; i++) {
        if (strcmp(m.counters[i].name, name) == 0) return m.counters[i].sum;
    }
    return 0;
}
