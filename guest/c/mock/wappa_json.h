// JSON for the mock host and for tests: reads RFC 8259, and nothing else.
#ifndef WAPPA_JSON_H
#define WAPPA_JSON_H

#include "wappa.h"

typedef enum wappa_json_type {
    WAPPA_JSON_NULL,
    WAPPA_JSON_FALSE,
    WAPPA_JSON_TRUE,
    WAPPA_JSON_NUMBER,
    WAPPA_JSON_TEXT,
    WAPPA_JSON_LIST,
    WAPPA_JSON_OBJECT,
} wappa_json_type;

typedef struct wappa_json {
    wappa_json_type type;
    wappa_buf name;           // Of a member of an object.
    wappa_buf text;           // Of a text: what it means. Of a number: as it was written.
    struct wappa_json *first; // Of a list or an object.
    struct wappa_json *next;
} wappa_json;

#ifdef __cplusplus
extern "C" {
#endif

// NULL when the text is not JSON, or nested more than 128 deep. Members are in the order of their
// names; of one that comes twice the last stays.
wappa_json *wappa_json_read(const char *text, size_t len);
void wappa_json_free(wappa_json *json);

// The member of that name; NULL when there is none.
const wappa_json *wappa_json_member(const wappa_json *object, const char *name);

// Whether both mean the same, however a number is written.
bool wappa_json_equal(const wappa_json *one, const wappa_json *other);

// Adds the text without white space, as Wappa writes it.
void wappa_json_write(wappa_buf *buf, const wappa_json *json);

// Adds bytes as a text of JSON. What is not UTF-8 becomes U+FFFD.
void wappa_json_write_text(wappa_buf *buf, const char *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
