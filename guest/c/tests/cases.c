// Runs the shared cases of an example over the mock host: `cases CASES.json EXAMPLE`. It is linked with the example.
#include "wappa_json.h"
#include "wappa_mock.h"

#include <stdio.h>
#include <string.h>

static const wappa_json *need(const wappa_json *object, const char *name) {
    const wappa_json *found = wappa_json_member(object, name);
    if (found != NULL) return found;
    fprintf(stderr, "the shared cases: a member `%s` is missing\n", name);
    exit(2);
}

// Adds the bytes that a content or a metadata value stands for.
static void add_bytes(wappa_buf *bytes, const wappa_json *json) {
    if (json->type == WAPPA_JSON_TEXT) {
        wappa_buf_add(bytes, json->text.data, json->text.len);
    } else if (json->type == WAPPA_JSON_LIST) {
        for (const wappa_json *piece = json->first; piece != NULL; piece = piece->next) add_bytes(bytes, piece);
    } else if (wappa_json_member(json, "hex") != NULL) {
        const wappa_buf *hex = &need(json, "hex")->text;
        for (size_t i = 0; i + 1 < hex->len; i += 2) {
            char digits[] = {hex->data[i], hex->data[i + 1], '\0'}, byte = (char)strtol(digits, NULL, 16);
            wappa_buf_add(bytes, &byte, 1);
        }
    } else {
        const wappa_buf *text = &need(json, "repeat")->text;
        int times = atoi(need(json, "times")->text.data);
        while (times-- > 0) wappa_buf_add(bytes, text->data, text->len);
    }
}

static void add_message(const wappa_json *json) {
    wappa_buf bytes = {0};
    add_bytes(&bytes, need(json, "content"));
    size_t message = wappa_mock_add(bytes.data, bytes.len);
    const wappa_json *metadata = wappa_json_member(json, "metadata"), *error = wappa_json_member(json, "error");
    for (const wappa_json *it = metadata != NULL ? metadata->first : NULL; it != NULL; it = it->next) {
        const wappa_json *value = wappa_json_member(it, "json");
        wappa_buf_clear(&bytes);
        if (value != NULL) {
            wappa_json_write(&bytes, value);
            wappa_mock_set_meta_json(message, it->name.data, bytes.data);
        } else {
            add_bytes(&bytes, it);
            wappa_mock_set_meta_bytes(message, it->name.data, bytes.data, bytes.len);
        }
    }
    if (error != NULL) wappa_mock_set_error(message, error->text.data);
    wappa_buf_free(&bytes);
}

static bool is_json(const char *data, size_t len, const wappa_json *expected) {
    wappa_json *json = wappa_json_read(data, len);
    bool is_same = json != NULL && wappa_json_equal(json, expected);
    wappa_json_free(json);
    return is_same;
}

static bool is_bytes(const char *data, size_t len, const wappa_json *expected) {
    wappa_buf bytes = {0};
    add_bytes(&bytes, expected);
    bool is_same = bytes.len == len && (len == 0 || memcmp(bytes.data, data, len) == 0);
    wappa_buf_free(&bytes);
    return is_same;
}

// What is wrong with a message that came out; NULL when nothing is.
static const char *compare(const wappa_mock_message *out, const wappa_json *expected) {
    const wappa_json *content = need(expected, "content"), *json = wappa_json_member(content, "json");
    if (json != NULL ? !is_json(out->content, out->len, json) : !is_bytes(out->content, out->len, content)) {
        return "the content differs";
    }
    const wappa_json *metadata = wappa_json_member(expected, "metadata"), *error = wappa_json_member(expected, "error");
    size_t n = 0;
    for (const wappa_json *it = metadata != NULL ? metadata->first : NULL; it != NULL; it = it->next, n++) {
        const wappa_mock_value *value = wappa_mock_meta(out, it->name.data);
        const wappa_json *typed = wappa_json_member(it, "json");
        if (value == NULL) return "a key is missing";
        if (value->is_json != (typed != NULL)) return "a value has another type";
        if (typed != NULL ? !is_json(value->data, value->len, typed) : !is_bytes(value->data, value->len, it)) {
            return "a value differs";
        }
    }
    if (n != out->metadata_len) return "there is a key too many";
    if ((error != NULL) != (out->error != NULL)) return error != NULL ? "the mark is missing" : "there is a mark";
    if (error != NULL && strcmp(error->text.data, out->error) != 0) return "the mark differs";
    return NULL;
}

// A message that failed is as it came in, and has the reason as its mark.
static const char *compare_failed(size_t message, const wappa_json *in, const wappa_json *reason) {
    const wappa_mock_message *out = wappa_mock_out(message, 0);
    if (wappa_mock_failed(message) == NULL || strcmp(wappa_mock_failed(message), reason->text.data) != 0) {
        return "it did not fail with that reason";
    }
    if (wappa_mock_count(message) != 1 || strcmp(out->error, reason->text.data) != 0) return "the mark differs";
    wappa_mock_message unmarked = *out;
    unmarked.error = NULL;
    return compare(&unmarked, in);
}

static const char *compare_all(size_t message, const wappa_json *in, const wappa_json *expected) {
    size_t n = 0;
    for (const wappa_json *it = expected->first; it != NULL; it = it->next, n++) {
        const wappa_json *failed = wappa_json_member(it, "failed");
        const wappa_mock_message *out = wappa_mock_out(message, n);
        if (out == NULL) return "there are too few messages";
        const char *wrong = failed != NULL ? compare_failed(message, in, failed) : compare(out, it);
        if (wrong != NULL) return wrong;
    }
    return n == wappa_mock_count(message) ? NULL : "there are too many messages";
}

static bool run(const char *example, const wappa_json *test, size_t per_call) {
    const wappa_json *config = need(test, "config"), *in = need(test, "in")->first, *out = need(test, "out")->first;
    const char *wrong = NULL;
    size_t message = 0;
    wappa_mock_reset();
    wappa_mock_messages_per_call(per_call);
    for (const wappa_json *it = config->first; it != NULL; it = it->next) {
        wappa_mock_config(it->name.data, it->text.data);
    }
    for (const wappa_json *it = in; it != NULL; it = it->next) add_message(it);
    if (!wappa_mock_run()) wrong = "the guest does not start";
    while (wrong == NULL && in != NULL) {
        wrong = out != NULL ? compare_all(message, in, out) : "the case has too few outputs";
        if (wrong != NULL) break;
        in = in->next;
        out = out->next;
        message++;
    }
    if (wrong != NULL) {
        printf("FAILED %s: %s, %zu messages a call: message %zu: %s\n", example, need(test, "name")->text.data,
               per_call, message, wrong);
    }
    return wrong == NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) return fputs("usage: cases CASES.json EXAMPLE\n", stderr), 2;
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) return perror(argv[1]), 2;
    wappa_buf text = {0};
    char piece[4096];
    for (size_t len; (len = fread(piece, 1, sizeof piece, file)) > 0;) wappa_buf_add(&text, piece, len);
    fclose(file);
    wappa_json *all = wappa_json_read(text.data, text.len);
    if (all == NULL) return fprintf(stderr, "%s is not JSON\n", argv[1]), 2;
    int passed = 0, failed = 0;
    for (const wappa_json *test = need(all, argv[2])->first; test != NULL; test = test->next) {
        // All in one call, each in its own, and two by two.
        for (size_t per_call = 0; per_call <= 2; per_call++) {
            if (run(argv[2], test, per_call)) {
                passed++;
            } else {
                failed++;
            }
        }
    }
    wappa_mock_reset();
    wappa_json_free(all);
    wappa_buf_free(&text);
    printf("%s: %d passed, %d failed\n", argv[2], passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
