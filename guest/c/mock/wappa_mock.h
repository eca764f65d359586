// A host for tests: the functions of wappa.h without WebAssembly.
//
//     wappa_mock_reset();
//     size_t i = wappa_mock_add_text("hello");
//     wappa_mock_run();
//     assert(strcmp(wappa_mock_out(i, 0)->content, "hello!") == 0);
//
// It treats messages as Wappa does, with two differences: there are no limits, and after a trap the guest goes on with
// the static variables it has, where Wappa makes a fresh instance. It is for one thread.
#ifndef WAPPA_MOCK_H
#define WAPPA_MOCK_H

#include "wappa.h"

#ifdef __cplusplus
extern "C" {
#endif

// A metadata value. Text in the mock has a NUL after its last byte.
typedef struct wappa_mock_value {
    char *key;
    size_t key_len;
    char *data;
    size_t len;
    bool is_json; // A number, `true`, `null`, a list or an object, as JSON; else any bytes.
} wappa_mock_value;

typedef struct wappa_mock_message {
    char *content;
    size_t len;
    wappa_mock_value *metadata; // In the order of the keys.
    size_t metadata_len;
    char *error; // The error mark; NULL when there is none.
    size_t error_len;
} wappa_mock_message;

typedef struct wappa_mock_line {
    wappa_level level;
    char *text;
    size_t len;
} wappa_mock_line;

// Forgets all that was said and done. The next run begins with the guest's init function.
void wappa_mock_reset(void);

// Sets an entry of the field `config`.
void wappa_mock_config(const char *key, const char *value);

// Sets what `wappa_now` answers; 0 unless set.
void wappa_mock_time(int64_t nanoseconds);

// Sets how many messages one call of the guest may get, by `wappa_next`; 0, the default, is all of them.
void wappa_mock_messages_per_call(size_t count);

// Adds a message to the batch of the next run, and returns its number, from 0 since the last reset.
size_t wappa_mock_add(const void *content, size_t len);
size_t wappa_mock_add_text(const char *text);

// Sets the metadata and the error mark of a message that was added.
void wappa_mock_set_meta(size_t message, const char *key, const char *text);
void wappa_mock_set_meta_bytes(size_t message, const char *key, const void *data, size_t len);
void wappa_mock_set_meta_json(size_t message, const char *key, const char *json);
void wappa_mock_set_error(size_t message, const char *text);

// Gives the messages that were added since the last run to the guest, as one batch. False when the guest's init
// function refused to start; the log says why.
bool wappa_mock_run(void);

// How many messages came of a message; 0 when it was filtered.
size_t wappa_mock_count(size_t message);

// One of these; NULL when there is none.
const wappa_mock_message *wappa_mock_out(size_t message, size_t index);

// The reason why a message failed, or why the guest trapped; NULL when it did not.
const char *wappa_mock_failed(size_t message);

// Whether the guest did what ends an instance, and so failed the message.
bool wappa_mock_trapped(size_t message);

// The value of a key of a message; NULL when it is missing.
const wappa_mock_value *wappa_mock_meta(const wappa_mock_message *message, const char *key);

// The lines of the log, from 0; NULL after the last one.
const wappa_mock_line *wappa_mock_log(size_t index);

// What was added to a counter.
int64_t wappa_mock_counter(const char *name);

#ifdef __cplusplus
}
#endif

#endif
