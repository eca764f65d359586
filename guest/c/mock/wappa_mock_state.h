// What the two halves of the mock share: wappa_mock.c is what a test calls, wappa_mock_host.c what the guest calls.
#ifndef WAPPA_MOCK_STATE_H
#define WAPPA_MOCK_STATE_H

#include "wappa_mock.h"

#include <setjmp.h>

// What a message was, and what became of it.
typedef struct slot {
    wappa_mock_message in;
    wappa_mock_message *out;
    size_t out_len;
    wappa_buf failed;
    bool has_failed, has_trapped;
} slot;

typedef struct counter {
    char *name;
    int64_t sum;
} counter;

typedef struct mock {
    wappa_mock_message config; // Its metadata are the entries.
    slot *slots;
    size_t slots_len;
    size_t batch_first; // The batch of the run: from here to the end.
    size_t at;          // The message at work.
    bool has_message;   // Whether functions about a message may be called.
    bool has_started;   // Whether the init function was called, and found nothing wrong.
    wappa_mock_message now;
    bool is_filtered;
    size_t per_call, in_call;
    wappa_mock_line *lines;
    size_t lines_len;
    counter *counters;
    size_t counters_len;
    int64_t time;
    uint64_t random;
    jmp_buf trap;
} mock;

extern mock wappa_mock_state;

// Room for `len + 1` items of an array; ends the test where there is no memory.
void *wappa_mock_grow(void *items, size_t len, size_t size);
char *wappa_mock_copy(const void *data, size_t len);

void wappa_mock_message_copy(wappa_mock_message *to, const wappa_mock_message *from);
void wappa_mock_message_free(wappa_mock_message *message);
const wappa_mock_value *wappa_mock_find(const wappa_mock_message *message, const char *key, size_t key_len);
void wappa_mock_put(wappa_mock_message *message, const char *key, size_t key_len, const void *data, size_t len,
                    bool is_json);
// False when the text is not JSON.
bool wappa_mock_put_json(wappa_mock_message *message, const char *key, size_t key_len, const char *json, size_t len);
bool wappa_mock_remove(wappa_mock_message *message, const char *key, size_t key_len);
void wappa_mock_set_mark(wappa_mock_message *message, const char *text, size_t len);

// The message at work becomes what the guest made of it.
void wappa_mock_finish(void);
// Begins the work on the message `at`.
void wappa_mock_begin(void);

#endif
