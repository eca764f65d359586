// Text for the component's imports, which take only UTF-8.
#ifndef WAPPA_COMPONENT_TEXT_H
#define WAPPA_COMPONENT_TEXT_H

#include "wappa.h"

// How many bytes the letter at the start has; 0 when there is no letter of UTF-8.
static inline size_t wappa_letter_len(const char *data, size_t len) {
    unsigned char first = (unsigned char)data[0];
    size_t letter = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return letter <= len && wappa_is_utf8(data, letter) ? letter : 0;
}

// Adds bytes as text: what is not UTF-8 becomes U+FFFD.
static inline void wappa_add_utf8(wappa_buf *buf, const char *data, size_t len) {
    for (size_t at = 0; at < len;) {
        size_t letter = wappa_letter_len(data + at, len - at);
        if (letter == 0) wappa_buf_add_text(buf, "\xEF\xBF\xBD");
        wappa_buf_add(buf, data + at, letter);
        at += letter == 0 ? 1 : letter;
    }
}

// Adds bytes as a text of JSON, with its quotes.
static inline void wappa_add_json_text(wappa_buf *buf, const char *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    wappa_buf_add_text(buf, "\"");
    for (size_t at = 0; at < len;) {
        unsigned char c = (unsigned char)data[at];
        size_t letter = wappa_letter_len(data + at, len - at);
        if (letter == 0) {
            wappa_buf_add_text(buf, "\xEF\xBF\xBD");
            letter = 1;
        } else if (c < 0x20) {
            char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            wappa_buf_add(buf, escape, sizeof escape);
        } else {
            if (c == '"' || c == '\\') wappa_buf_add_text(buf, "\\");
            wappa_buf_add(buf, data + at, letter);
        }
        at += letter;
    }
    wappa_buf_add_text(buf, "\"");
}

#endif
