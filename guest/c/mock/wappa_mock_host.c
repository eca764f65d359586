// The mock host as a guest sees it: the functions of interface v1.
#include "wappa_json.h"
#include "wappa_mock_state.h"

#include <string.h>

#define m wappa_mock_state

// What ends an instance: the call ends here, and the message at work fails.
_Noreturn static void trap(const char *function, const char *mistake) {
    wappa_buf text = {0};
    wappa_buf_add_text(&text, function);
    wappa_buf_add_text(&text, ": ");
    wappa_buf_add_text(&text, mistake);
    if (m.has_message) {
        slot *it = &m.slots[m.at];
        wappa_buf_free(&it->failed);
        it->failed = text;
        it->has_failed = it->has_trapped = true;
    } else {
        wappa_v1_log(WAPPA_ERROR, text.data, (uint32_t)text.len);
        wappa_buf_free(&text);
    }
    longjmp(m.trap, 1);
}

static wappa_mock_message *message(const char *function) {
    if (!m.has_message) trap(function, "there is no message to work on");
    return &m.now;
}

static void check_key(const char *function, const char *key, uint32_t len) {
    if (!wappa_is_utf8(key, len)) trap(function, "the key is not UTF-8");
}

static int32_t answer(const char *data, size_t len, void *buf, uint32_t cap) {
    if (len > 0 && len <= cap) memcpy(buf, data, len);
    return (int32_t)len;
}

uint32_t wappa_v1_content_len(void) { return wappa_u32(message("v1_content_len")->len); }

uint32_t wappa_v1_content_read(uint32_t offset, void *buf, uint32_t cap) {
    const wappa_mock_message *now = message("v1_content_read");
    size_t left = offset < now->len ? now->len - offset : 0, len = cap < left ? cap : left;
    if (len > 0) memcpy(buf, now->content + offset, len);
    return (uint32_t)len;
}

void wappa_v1_content_write(const void *data, uint32_t len) {
    wappa_mock_message *now = message("v1_content_write");
    char *copy = wappa_mock_copy(data, len);
    free(now->content);
    now->content = copy;
    now->len = len;
}

int32_t wappa_v1_meta_get(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    const wappa_mock_message *now = message("v1_meta_get");
    check_key("v1_meta_get", key, key_len);
    const wappa_mock_value *value = wappa_mock_find(now, key, key_len);
    return value != NULL ? answer(value->data, value->len, buf, cap) : -1;
}

int32_t wappa_v1_meta_get_json(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    const wappa_mock_message *now = message("v1_meta_get_json");
    check_key("v1_meta_get_json", key, key_len);
    const wappa_mock_value *value = wappa_mock_find(now, key, key_len);
    if (value == NULL) return -1;
    if (value->is_json) return answer(value->data, value->len, buf, cap);
    wappa_buf text = {0};
    wappa_json_write_text(&text, value->data, value->len);
    int32_t len = answer(text.data, text.len, buf, cap);
    wappa_buf_free(&text);
    return len;
}

void wappa_v1_meta_set(const char *key, uint32_t key_len, const void *value, uint32_t len) {
    wappa_mock_message *now = message("v1_meta_set");
    check_key("v1_meta_set", key, key_len);
    wappa_mock_put(now, key, key_len, value, len, false);
}

void wappa_v1_meta_set_json(const char *key, uint32_t key_len, const void *json, uint32_t len) {
    wappa_mock_message *now = message("v1_meta_set_json");
    check_key("v1_meta_set_json", key, key_len);
    if (!wappa_mock_put_json(now, key, key_len, json, len)) trap("v1_meta_set_json", "the value is not JSON");
}

int32_t wappa_v1_meta_delete(const char *key, uint32_t key_len) {
    wappa_mock_message *now = message("v1_meta_delete");
    check_key("v1_meta_delete", key, key_len);
    return wappa_mock_remove(now, key, key_len) ? 1 : 0;
}

int32_t wappa_v1_meta_keys(void *buf, uint32_t cap) {
    const wappa_mock_message *now = message("v1_meta_keys");
    wappa_buf keys = {0};
    for (size_t i = 0; i < now->metadata_len; i++) {
        size_t len = now->metadata[i].key_len;
        unsigned char prefix[4];
        for (int byte = 0; byte < 4; byte++) prefix[byte] = (unsigned char)(len >> 8 * byte);
        wappa_buf_add(&keys, prefix, sizeof prefix);
        wappa_buf_add(&keys, now->metadata[i].key, len);
    }
    int32_t len = answer(keys.data, keys.len, buf, cap);
    wappa_buf_free(&keys);
    return len;
}

int32_t wappa_v1_error_get(void *buf, uint32_t cap) {
    const wappa_mock_message *now = message("v1_error_get");
    return now->error != NULL ? answer(now->error, now->error_len, buf, cap) : -1;
}

void wappa_v1_error_clear(void) { wappa_mock_set_mark(message("v1_error_clear"), NULL, 0); }

void wappa_v1_emit(void) {
    const wappa_mock_message *now = message("v1_emit");
    slot *it = &m.slots[m.at];
    it->out = wappa_mock_grow(it->out, it->out_len, sizeof *it->out);
    wappa_mock_message_copy(&it->out[it->out_len++], now);
}

void wappa_v1_filter(void) {
    message("v1_filter");
    m.is_filtered = true;
}

void wappa_v1_fail(const char *reason, uint32_t len) {
    message("v1_fail");
    slot *it = &m.slots[m.at];
    it->has_failed = true;
    wappa_buf_clear(&it->failed);
    wappa_buf_add(&it->failed, reason, len);
    if (it->failed.data[strspn(it->failed.data, " \t\r\n")] == '\0') {
        wappa_buf_clear(&it->failed);
        wappa_buf_add_text(&it->failed, "the guest gave no reason");
    }
}

int32_t wappa_v1_next(void) {
    message("v1_next");
    wappa_mock_finish();
    if (m.at == m.slots_len || m.in_call == m.per_call) return -1;
    wappa_mock_begin();
    return 1;
}

uint32_t wappa_v1_batch_index(void) {
    message("v1_batch_index");
    return wappa_u32(m.at - m.batch_first);
}

uint32_t wappa_v1_batch_len(void) {
    message("v1_batch_len");
    return wappa_u32(m.slots_len - m.batch_first);
}

int32_t wappa_v1_config_get(const char *key, uint32_t key_len, void *buf, uint32_t cap) {
    check_key("v1_config_get", key, key_len);
    const wappa_mock_value *value = wappa_mock_find(&m.config, key, key_len);
    return value != NULL ? answer(value->data, value->len, buf, cap) : -1;
}

void wappa_v1_log(int32_t level, const char *text, uint32_t len) {
    if (level < WAPPA_TRACE || level > WAPPA_ERROR) trap("v1_log", "there is no such level: 0 is trace, 4 is error");
    m.lines = wappa_mock_grow(m.lines, m.lines_len, sizeof *m.lines);
    m.lines[m.lines_len++] = (wappa_mock_line){(wappa_level)level, wappa_mock_copy(text, len), len};
}

static bool is_counter_name(const char *name, uint32_t len) {
    for (uint32_t i = 0; i < len; i++) {
        char c = name[i], lower = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '_') return false;
    }
    return len >= 1 && len <= 64;
}

void wappa_v1_counter_add(const char *name, uint32_t len, int64_t delta) {
    if (!is_counter_name(name, len)) {
        trap("v1_counter_add", "a name has ASCII letters, digits and underscores, 1 to 64 of them");
    }
    if (delta < 0) trap("v1_counter_add", "a counter only goes up");
    counter *found = NULL;
    for (size_t i = 0; i < m.counters_len; i++) {
        counter *it = &m.counters[i];
        if (strlen(it->name) == len && memcmp(it->name, name, len) == 0) found = it;
    }
    if (found == NULL) {
        m.counters = wappa_mock_grow(m.counters, m.counters_len, sizeof *m.counters);
        found = &m.counters[m.counters_len++];
        *found = (counter){wappa_mock_copy(name, len), 0};
    }
    found->sum += delta;
}

int64_t wappa_v1_now(void) { return m.time; }

// The same bytes after every reset, so that a test can rely on them (xorshift).
void wappa_v1_random(void *buf, uint32_t len) {
    for (uint32_t i = 0; i < len; i++) {
        m.random ^= m.random << 13;
        m.random ^= m.random >> 7;
        m.random ^= m.random << 17;
        ((unsigned char *)buf)[i] = (unsigned char)(m.random >> 32);
    }
}
