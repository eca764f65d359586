// The messages of the mock host.
#include "wappa_json.h"
#include "wappa_mock_state.h"

#include <string.h>

void *wappa_mock_grow(void *items, size_t len, size_t size) {
    items = realloc(items, (len + 1) * size);
    if (items == NULL) abort();
    return items;
}

char *wappa_mock_copy(const void *data, size_t len) {
    char *copy = wappa_mock_grow(NULL, len, 1);
    if (len > 0) memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

void wappa_mock_message_copy(wappa_mock_message *to, const wappa_mock_message *from) {
    memset(to, 0, sizeof *to);
    to->content = wappa_mock_copy(from->content, from->len);
    to->len = from->len;
    for (size_t i = 0; i < from->metadata_len; i++) {
        const wappa_mock_value *value = &from->metadata[i];
        wappa_mock_put(to, value->key, value->key_len, value->data, value->len, value->is_json);
    }
    if (from->error != NULL) wappa_mock_set_mark(to, from->error, from->error_len);
}

void wappa_mock_message_free(wappa_mock_message *message) {
    free(message->content);
    for (size_t i = 0; i < message->metadata_len; i++) {
        free(message->metadata[i].key);
        free(message->metadata[i].data);
    }
    free(message->metadata);
    free(message->error);
    memset(message, 0, sizeof *message);
}

static int compare_keys(const wappa_mock_value *value, const char *key, size_t key_len) {
    size_t len = value->key_len < key_len ? value->key_len : key_len;
    int order = len > 0 ? memcmp(value->key, key, len) : 0;
    return order != 0 ? order : (value->key_len > key_len) - (value->key_len < key_len);
}

// The place of the first key that is not before `key`.
static size_t place_of(const wappa_mock_message *message, const char *key, size_t key_len) {
    size_t i = 0;
    while (i < message->metadata_len && compare_keys(&message->metadata[i], key, key_len) < 0) i++;
    return i;
}

const wappa_mock_value *wappa_mock_find(const wappa_mock_message *message, const char *key, size_t key_len) {
    size_t i = place_of(message, key, key_len);
    bool is_there = i < message->metadata_len && compare_keys(&message->metadata[i], key, key_len) == 0;
    return is_there ? &message->metadata[i] : NULL;
}

void wappa_mock_put(wappa_mock_message *message, const char *key, size_t key_len, const void *data, size_t len,
                    bool is_json) {
    char *copy = wappa_mock_copy(data, len);
    wappa_mock_remove(message, key, key_len);
    size_t i = place_of(message, key, key_len);
    message->metadata = wappa_mock_grow(message->metadata, message->metadata_len, sizeof *message->metadata);
    wappa_mock_value *place = message->metadata + i;
    memmove(place + 1, place, (message->metadata_len - i) * sizeof *place);
    message->metadata_len++;
    *place = (wappa_mock_value){wappa_mock_copy(key, key_len), key_len, copy, len, is_json};
}

bool wappa_mock_put_json(wappa_mock_message *message, const char *key, size_t key_len, const char *json, size_t len) {
    wappa_json *value = wappa_json_read(json, len);
    if (value == NULL) return false;
    // A text is a text, however it was set.
    if (value->type == WAPPA_JSON_TEXT) {
        wappa_mock_put(message, key, key_len, value->text.data, value->text.len, false);
    } else {
        wappa_buf text = {0};
        wappa_json_write(&text, value);
        wappa_mock_put(message, key, key_len, text.data, text.len, true);
        wappa_buf_free(&text);
    }
    wappa_json_free(value);
    return true;
}

bool wappa_mock_remove(wappa_mock_message *message, const char *key, size_t key_len) {
    const wappa_mock_value *found = wappa_mock_find(message, key, key_len);
    if (found == NULL) return false;
    size_t i = (size_t)(found - message->metadata);
    free(message->metadata[i].key);
    free(message->metadata[i].data);
    message->metadata_len--;
    memmove(message->metadata + i, message->metadata + i + 1, (message->metadata_len - i) * sizeof *message->metadata);
    return true;
}

void wappa_mock_set_mark(wappa_mock_message *message, const char *text, size_t len) {
    char *copy = text != NULL ? wappa_mock_copy(text, len) : NULL;
    free(message->error);
    message->error = copy;
    message->error_len = text != NULL ? len : 0;
}
