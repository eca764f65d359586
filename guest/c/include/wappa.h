// What a guest written in C or C++ needs to be a `wasm` processor of Wappa: the functions of the host (interface v1),
// and small helpers around them. There is nothing to link.
//
//     #include "wappa.h"
//
//     static wappa_buf content;
//
//     static void shout(void) {
//         wappa_content_get(&content);
//         wappa_buf_add_text(&content, "!");
//         wappa_content_set(content.data, content.len);
//     }
//     WAPPA_PROCESSOR(shout)
//
// Before the header is included, these may be defined:
//   WAPPA_PRINTF     adds the helpers that format (`wappa_logf` and others), which pull in stdio.
//   WAPPA_NO_LIBC    leaves out what needs malloc: buffers are then made with WAPPA_BUF_OVER. It is set by itself where
//                    there is no <stdlib.h>.
//   WAPPA_COMPONENT  makes a wasm component, together with component/wappa_component.c.
//
// Outside of WebAssembly the functions of the host are those of mock/wappa_mock.c.
#ifndef WAPPA_H
#define WAPPA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(WAPPA_NO_LIBC) && (!__STDC_HOSTED__ || !__has_include(<stdlib.h>))
#define WAPPA_NO_LIBC
#endif
#ifndef WAPPA_NO_LIBC
#include <stdlib.h>
#endif
#ifdef WAPPA_PRINTF
#include <stdarg.h>
#include <stdio.h>
#endif

#ifdef __cplusplus
#define WAPPA_EXTERN_C extern "C"
#else
#define WAPPA_EXTERN_C
#endif

#if defined(__wasm__) && !defined(WAPPA_COMPONENT)
#define WAPPA_IMPORT(name) __attribute__((import_module("wappa"), import_name(name)))
#define WAPPA_EXPORT(name) WAPPA_EXTERN_C __attribute__((export_name(name), used, visibility("default")))
#else
#define WAPPA_IMPORT(name)
#define WAPPA_EXPORT(name) WAPPA_EXTERN_C
#endif

#ifdef __cplusplus
extern "C" {
#endif

// The functions of the host, as they are.
//
// Those that take `buf` and `cap` return the full length: where it is more than `cap` nothing was written. -1 means
// that there is none. Where a length is 0 its pointer is not looked at. A key is UTF-8; another one traps.
WAPPA_IMPORT("v1_content_len") uint32_t wappa_v1_content_len(void);
// Copies up to `cap` bytes from `offset` and returns how many it were.
WAPPA_IMPORT("v1_content_read") uint32_t wappa_v1_content_read(uint32_t offset, void *buf, uint32_t cap);
WAPPA_IMPORT("v1_content_write") void wappa_v1_content_write(const void *data, uint32_t len);
WAPPA_IMPORT("v1_meta_get")
int32_t wappa_v1_meta_get(const char *key, uint32_t key_len, void *buf, uint32_t cap);
WAPPA_IMPORT("v1_meta_get_json")
int32_t wappa_v1_meta_get_json(const char *key, uint32_t key_len, void *buf, uint32_t cap);
WAPPA_IMPORT("v1_meta_set")
void wappa_v1_meta_set(const char *key, uint32_t key_len, const void *value, uint32_t len);
WAPPA_IMPORT("v1_meta_set_json")
void wappa_v1_meta_set_json(const char *key, uint32_t key_len, const void *json, uint32_t len);
// 1 when the key was there, else 0.
WAPPA_IMPORT("v1_meta_delete") int32_t wappa_v1_meta_delete(const char *key, uint32_t key_len);
// All keys in order, each as its length, 32 bits little-endian, and its bytes.
WAPPA_IMPORT("v1_meta_keys") int32_t wappa_v1_meta_keys(void *buf, uint32_t cap);
WAPPA_IMPORT("v1_error_get") int32_t wappa_v1_error_get(void *buf, uint32_t cap);
WAPPA_IMPORT("v1_error_clear") void wappa_v1_error_clear(void);
WAPPA_IMPORT("v1_emit") void wappa_v1_emit(void);
WAPPA_IMPORT("v1_filter") void wappa_v1_filter(void);
WAPPA_IMPORT("v1_fail") void wappa_v1_fail(const char *reason, uint32_t len);
// 1 when there is another message, else -1; from then on all functions about a message trap.
WAPPA_IMPORT("v1_next") int32_t wappa_v1_next(void);
WAPPA_IMPORT("v1_batch_index") uint32_t wappa_v1_batch_index(void);
WAPPA_IMPORT("v1_batch_len") uint32_t wappa_v1_batch_len(void);
WAPPA_IMPORT("v1_config_get")
int32_t wappa_v1_config_get(const char *key, uint32_t key_len, void *buf, uint32_t cap);
WAPPA_IMPORT("v1_log") void wappa_v1_log(int32_t level, const char *text, uint32_t len);
WAPPA_IMPORT("v1_counter_add") void wappa_v1_counter_add(const char *name, uint32_t len, int64_t delta);
WAPPA_IMPORT("v1_now") int64_t wappa_v1_now(void);
WAPPA_IMPORT("v1_random") void wappa_v1_random(void *buf, uint32_t len);

// What the macros at the end of this file define.
void wappa_guest_process(void);
int32_t wappa_guest_init(void);
void wappa_guest_close(void);

#ifdef __cplusplus
}
#endif

// A length for the host. One that does not fit, on a machine of 64 bits, ends the guest.
static inline uint32_t wappa_u32(size_t len) {
    if ((uint64_t)len > UINT32_MAX) __builtin_trap();
    return (uint32_t)len;
}

static inline uint32_t wappa_text_len(const char *text) {
#ifdef WAPPA_NO_LIBC
    if (!__builtin_constant_p(__builtin_strlen(text))) {
        size_t len = 0;
        // The empty statement keeps the compiler from making a call of strlen of this loop.
        for (; text[len] != '\0'; len++) __asm__ volatile("");
        return wappa_u32(len);
    }
#endif
    return wappa_u32(__builtin_strlen(text));
}

// Whether the bytes are UTF-8: no surrogates, nothing longer than it need be.
static inline bool wappa_is_utf8(const char *data, size_t len) {
    const unsigned char *at = (const unsigned char *)data, *end = at + len;
    while (at != end) {
        unsigned char first = *at++;
        if (first < 0x80) continue;
        if (first < 0xC2 || first > 0xF4) return false;
        int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        if (end - at < more) return false;
        // The second byte alone tells what is too long, a surrogate or beyond U+10FFFF.
        unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (*at < low || *at > high) return false;
        for (at++; more > 1; more--, at++) {
            if ((*at & 0xC0) != 0x80) return false;
        }
    }
    return true;
}

// ---- Buffers

// Bytes that grow, with a NUL after the last one, so that text in them is a string of C as well.
//
// All zero is an empty buffer. Make it `static`: it then keeps its room from message to message, and nothing has to
// be freed. Where there is no memory left the guest traps, which fails the message alone.
typedef struct wappa_buf {
    char *data;    // NULL until something was read or added.
    size_t len;    // How many bytes there are.
    size_t room;   // How many there is room for, without the NUL.
    bool fixed;    // Whether the room stays as it is.
    bool overflow; // Whether something did not fit into a buffer with fixed room, since it was last cleared.
} wappa_buf;

// A buffer over an array of chars. What does not fit is left out, makes the function return false, and sets `overflow`.
#define WAPPA_BUF_OVER(array) {(array), 0, sizeof(array) - 1, true, false}

static inline void wappa_buf_clear(wappa_buf *buf) {
    buf->len = 0;
    buf->overflow = false;
    if (buf->data != NULL) buf->data[0] = '\0';
}

// Makes room for `size` bytes in all.
static inline bool wappa_buf_reserve(wappa_buf *buf, size_t size) {
    if (buf->data != NULL && size <= buf->room) return true;
    if (buf->fixed) {
        buf->overflow = true;
        return false;
    }
#ifdef WAPPA_NO_LIBC
    __builtin_trap();
#else
    if (size > SIZE_MAX / 2) __builtin_trap();
    size_t room = size < 63 ? 63 : size;
    if (room < buf->room * 2) room = buf->room * 2;
    if (buf->len == 0) { // Nothing to keep: no copy.
        free(buf->data);
        buf->data = NULL;
    }
    buf->data = (char *)realloc(buf->data, room + 1);
    if (buf->data == NULL) __builtin_trap();
    buf->data[buf->len] = '\0';
    buf->room = room;
    return true;
#endif
}

static inline bool wappa_buf_add(wappa_buf *buf, const void *data, size_t len) {
    if (len > SIZE_MAX - buf->len) __builtin_trap();
    if (!wappa_buf_reserve(buf, buf->len + len)) return false;
    if (len > 0) __builtin_memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

static inline bool wappa_buf_add_text(wappa_buf *buf, const char *text) {
    return wappa_buf_add(buf, text, wappa_text_len(text));
}

static inline bool wappa_buf_add_u64(wappa_buf *buf, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return wappa_buf_add(buf, digits + at, sizeof digits - at);
}

static inline bool wappa_buf_add_i64(wappa_buf *buf, int64_t number) {
    if (number < 0 && !wappa_buf_add(buf, "-", 1)) return false;
    return wappa_buf_add_u64(buf, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

// Whether the buffer holds this text.
static inline bool wappa_buf_is(const wappa_buf *buf, const char *text) {
    for (size_t i = 0; i < buf->len; i++, text++) {
        if (*text == '\0' || *text != buf->data[i]) return false;
    }
    return *text == '\0';
}

// Gives the memory back; the buffer may be used again.
static inline void wappa_buf_free(wappa_buf *buf) {
#ifndef WAPPA_NO_LIBC
    if (!buf->fixed) {
        free(buf->data);
        buf->data = NULL;
        buf->room = 0;
    }
#endif
    wappa_buf_clear(buf);
}

// Calls a function of the host once, or twice where its answer did not fit.
#define WAPPA_READ(buf, call)                                                                                          \
    do {                                                                                                               \
        wappa_buf_clear(buf);                                                                                          \
        if (!wappa_buf_reserve(buf, 0)) return false;                                                                  \
        uint32_t cap = wappa_u32((buf)->room);                                                                         \
        int32_t got = (call);                                                                                          \
        if (got == -1) return false;                                                                                   \
        if ((uint32_t)got > cap) {                                                                                     \
            if (!wappa_buf_reserve(buf, (uint32_t)got)) return false;                                                  \
            cap = wappa_u32((buf)->room);                                                                              \
            got = (call);                                                                                              \
        }                                                                                                              \
        (buf)->len = (uint32_t)got;                                                                                    \
        (buf)->data[(buf)->len] = '\0';                                                                                \
        return true;                                                                                                   \
    } while (0)

// ---- The content

static inline size_t wappa_content_len(void) { return wappa_v1_content_len(); }

// Reads the content. False only where it does not fit into a buffer with fixed room.
static inline bool wappa_content_get(wappa_buf *buf) {
    uint32_t len = wappa_v1_content_len();
    wappa_buf_clear(buf);
    if (!wappa_buf_reserve(buf, len)) return false;
    buf->len = wappa_v1_content_read(0, buf->data, len);
    buf->data[buf->len] = '\0';
    return true;
}

// Reads the content, and says whether it is text: UTF-8.
static inline bool wappa_content_get_text(wappa_buf *buf) {
    return wappa_content_get(buf) && wappa_is_utf8(buf->data, buf->len);
}

static inline void wappa_content_set(const void *data, size_t len) { wappa_v1_content_write(data, wappa_u32(len)); }

static inline void wappa_content_set_text(const char *text) { wappa_v1_content_write(text, wappa_text_len(text)); }

// ---- The metadata
//
// A key that contains a NUL is for the functions of the host.

static inline bool wappa_meta_has(const char *key) {
    return wappa_v1_meta_get(key, wappa_text_len(key), NULL, 0) != -1;
}

// Reads a value as text: a number, `true` or an object as it is printed. False when the key is missing, which is
// something else than empty.
static inline bool wappa_meta_get(const char *key, wappa_buf *buf) {
    WAPPA_READ(buf, wappa_v1_meta_get(key, wappa_text_len(key), buf->data, cap));
}

// Reads a value as JSON: text with its quotes.
static inline bool wappa_meta_get_json(const char *key, wappa_buf *buf) {
    WAPPA_READ(buf, wappa_v1_meta_get_json(key, wappa_text_len(key), buf->data, cap));
}

// Reads a whole number, or text that is one. False, and `number` as it was, where there is none.
static inline bool wappa_meta_get_i64(const char *key, int64_t *number) {
    char text[24];
    wappa_buf buf = WAPPA_BUF_OVER(text);
    if (!wappa_meta_get(key, &buf) || buf.len == 0) return false;
    bool minus = text[0] == '-';
    size_t at = minus ? 1 : 0;
    if (at == buf.len) return false;
    uint64_t sum = 0;
    for (; at < buf.len; at++) {
        if (text[at] < '0' || text[at] > '9') return false;
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    if (sum > (uint64_t)INT64_MAX + (minus ? 1 : 0)) return false;
    *number = minus ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

// Reads `true` or `false`, or text that is one of these.
static inline bool wappa_meta_get_bool(const char *key, bool *value) {
    char text[8];
    wappa_buf buf = WAPPA_BUF_OVER(text);
    if (!wappa_meta_get(key, &buf)) return false;
    bool is_true = wappa_buf_is(&buf, "true");
    if (!is_true && !wappa_buf_is(&buf, "false")) return false;
    *value = is_true;
    return true;
}

#ifndef WAPPA_NO_LIBC
// Reads any number, or text that is one.
static inline bool wappa_meta_get_f64(const char *key, double *number) {
    char text[64], *end;
    wappa_buf buf = WAPPA_BUF_OVER(text);
    if (!wappa_meta_get(key, &buf)) return false;
    // strtod takes more than numbers of JSON: spaces, hexadecimal, infinity.
    for (size_t at = 0; at < buf.len; at++) {
        char c = text[at];
        if (!(c >= '0' && c <= '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E') return false;
    }
    double value = strtod(text, &end);
    if (end == text || *end != '\0') return false;
    *number = value;
    return true;
}
#endif

// Sets a value to any bytes.
static inline void wappa_meta_set_bytes(const char *key, const void *data, size_t len) {
    wappa_v1_meta_set(key, wappa_text_len(key), data, wappa_u32(len));
}

static inline void wappa_meta_set(const char *key, const char *text) {
    wappa_meta_set_bytes(key, text, wappa_text_len(text));
}

// Sets a value of any type. What is not JSON traps.
static inline void wappa_meta_set_json(const char *key, const char *json) {
    wappa_v1_meta_set_json(key, wappa_text_len(key), json, wappa_text_len(json));
}

static inline void wappa_meta_set_i64(const char *key, int64_t number) {
    char text[24];
    wappa_buf buf = WAPPA_BUF_OVER(text);
    wappa_buf_add_i64(&buf, number);
    wappa_meta_set_json(key, text);
}

static inline void wappa_meta_set_u64(const char *key, uint64_t number) {
    char text[24];
    wappa_buf buf = WAPPA_BUF_OVER(text);
    wappa_buf_add_u64(&buf, number);
    wappa_meta_set_json(key, text);
}

static inline void wappa_meta_set_bool(const char *key, bool value) {
    wappa_meta_set_json(key, value ? "true" : "false");
}

// Removes a key, and says whether it was there.
static inline bool wappa_meta_delete(const char *key) { return wappa_v1_meta_delete(key, wappa_text_len(key)) == 1; }

// A walk over the keys that were there when it began, in order. All zero at first, and best `static`, as a buffer is.
//
//     static wappa_keys keys;
//     wappa_keys_start(&keys);
//     while (wappa_keys_next(&keys)) use(keys.key);
typedef struct wappa_keys {
    wappa_buf buf;
    size_t at;
    const char *key; // A string of C.
    size_t len;
} wappa_keys;

static inline bool wappa_keys_start(wappa_keys *keys) {
    wappa_buf *buf = &keys->buf;
    keys->at = 0;
    WAPPA_READ(buf, wappa_v1_meta_keys(buf->data, cap));
}

static inline bool wappa_keys_next(wappa_keys *keys) {
    if (keys->at + 4 > keys->buf.len) return false;
    char *at = keys->buf.data + keys->at;
    const unsigned char *bytes = (const unsigned char *)at;
    keys->len = (size_t)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24);
    // Each key moves to where its length was, so that there is a place for its NUL.
    __builtin_memmove(at, at + 4, keys->len);
    at[keys->len] = '\0';
    keys->key = at;
    keys->at += 4 + keys->len;
    return true;
}

// ---- The error mark, and what becomes of the message

// Reads the error mark. False when the message has none.
static inline bool wappa_error_get(wappa_buf *buf) { WAPPA_READ(buf, wappa_v1_error_get(buf->data, cap)); }

static inline void wappa_error_clear(void) { wappa_v1_error_clear(); }

// Sends the message as it is now, and goes on with a copy.
static inline void wappa_emit(void) { wappa_v1_emit(); }

// The message is not sent; what was emitted is.
static inline void wappa_filter(void) { wappa_v1_filter(); }

// The message goes on as it came in, marked as failed; what was emitted is not sent. The last reason counts.
static inline void wappa_fail(const char *reason) { wappa_v1_fail(reason, wappa_text_len(reason)); }

// Finishes this message and goes on with the next one, if there is one. WAPPA_PROCESSOR does it.
static inline bool wappa_next(void) { return wappa_v1_next() == 1; }

// Where in its batch the message is, from 0, and how many there are.
static inline uint32_t wappa_batch_index(void) { return wappa_v1_batch_index(); }
static inline uint32_t wappa_batch_len(void) { return wappa_v1_batch_len(); }

// ---- What there is besides messages

// Reads an entry of the processor's field `config`. False when it is missing.
static inline bool wappa_config_get(const char *key, wappa_buf *buf) {
    WAPPA_READ(buf, wappa_v1_config_get(key, wappa_text_len(key), buf->data, cap));
}

typedef enum wappa_level { WAPPA_TRACE, WAPPA_DEBUG, WAPPA_INFO, WAPPA_WARN, WAPPA_ERROR } wappa_level;

static inline void wappa_log(wappa_level level, const char *text) {
    wappa_v1_log((int32_t)level, text, wappa_text_len(text));
}

// Adds to the metric `wasm_guest_<name>`: ASCII letters, digits and underscores.
static inline void wappa_counter_add(const char *name, int64_t delta) {
    wappa_v1_counter_add(name, wappa_text_len(name), delta);
}

// The time, in nanoseconds since 1970.
static inline int64_t wappa_now(void) { return wappa_v1_now(); }

static inline void wappa_random(void *buf, size_t len) { wappa_v1_random(buf, wappa_u32(len)); }

// ---- Formatting, as printf does it

#ifdef WAPPA_PRINTF
__attribute__((format(printf, 2, 0))) static inline bool wappa_buf_addv(wappa_buf *buf, const char *format,
                                                                        va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    bool fits = len >= 0 && wappa_buf_reserve(buf, buf->len + (size_t)len);
    if (fits) {
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return fits;
}

__attribute__((format(printf, 2, 3))) static inline bool wappa_buf_addf(wappa_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool fits = wappa_buf_addv(buf, format, args);
    va_end(args);
    return fits;
}

__attribute__((format(printf, 2, 3))) static inline void wappa_logf(wappa_level level, const char *format, ...) {
    static wappa_buf line;
    wappa_buf_clear(&line);
    va_list args;
    va_start(args, format);
    wappa_buf_addv(&line, format, args);
    va_end(args);
    wappa_v1_log((int32_t)level, line.data, wappa_u32(line.len));
}

__attribute__((format(printf, 1, 2))) static inline void wappa_failf(const char *format, ...) {
    static wappa_buf reason;
    wappa_buf_clear(&reason);
    va_list args;
    va_start(args, format);
    wappa_buf_addv(&reason, format, args);
    va_end(args);
    wappa_v1_fail(reason.data, wappa_u32(reason.len));
}

// Sets a number. What JSON has no number for becomes `null`.
static inline void wappa_meta_set_f64(const char *key, double number) {
    char text[40];
    bool is_finite = number - number == 0;
    snprintf(text, sizeof text, "%.17g", number);
    wappa_meta_set_json(key, is_finite ? text : "null");
}
#endif

// ---- What the guest is

// `void process_one(void)` is called for each message.
#define WAPPA_PROCESSOR(process_one)                                                                                   \
    WAPPA_EXPORT("process") void wappa_guest_process(void) {                                                           \
        do process_one();                                                                                              \
        while (wappa_next());                                                                                          \
    }

// `const char *init(void)` is called once, before the first message: config, log, time and random numbers are there. It
// returns NULL, or the reason why the stream must not start.
#define WAPPA_INIT(init)                                                                                               \
    WAPPA_EXPORT("wappa_init") int32_t wappa_guest_init(void) {                                                        \
        const char *reason = init();                                                                                   \
        if (reason != NULL) wappa_log(WAPPA_ERROR, reason);                                                            \
        return reason == NULL ? 0 : 1;                                                                                 \
    }

// `void close(void)` is called when the guest is no longer needed. A wasm component has no such moment.
#define WAPPA_CLOSE(close)                                                                                             \
    WAPPA_EXPORT("wappa_close") void wappa_guest_close(void) { close(); }

#endif
