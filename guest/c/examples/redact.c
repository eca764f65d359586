// Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
// text `***`. What is not a JSON object fails.
//
// The JSON is checked and copied in one walk without recursion, so that its depth is bounded by memory alone. All that
// is not replaced stays as it was written.
#include "wappa.h"

#include <string.h>

static wappa_buf fields, content, output;

static const char *read_config(void) {
    if (!wappa_config_get("fields", &fields)) wappa_buf_add_text(&fields, "password,email");
    return NULL;
}
WAPPA_INIT(read_config)

static bool is_masked(const wappa_buf *name) {
    const char *at = fields.data, *end = fields.data + fields.len;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma != NULL ? comma : end) - at);
        if (len > 0 && len == name->len && memcmp(at, name->data, len) == 0) return true;
        at += len + 1;
    }
    return false;
}

// What is left of the text. The text ends with a NUL, which no rule accepts, so that looking at `*at` is always right.
static const char *at;

static void skip_space(void) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
}

static bool skip_word(const char *word) {
    size_t len = strlen(word);
    if (strncmp(at, word, len) != 0) return false;
    at += len;
    return true;
}

static bool skip_digits(void) {
    const char *start = at;
    while (*at >= '0' && *at <= '9') at++;
    return at > start;
}

static bool skip_number(void) {
    if (*at == '-') at++;
    if (*at == '0') {
        at++;
    } else if (!skip_digits()) {
        return false;
    }
    if (*at == '.') {
        at++;
        if (!skip_digits()) return false;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-') at++;
        if (!skip_digits()) return false;
    }
    return true;
}

static bool read_hex(unsigned *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++, at++) {
        char c = *at, lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9') {
            *unit = *unit << 4 | (unsigned)(c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            *unit = *unit << 4 | (unsigned)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    return true;
}

static void add_letter(wappa_buf *text, unsigned letter) {
    char bytes[4];
    size_t len = 0;
    if (letter < 0x80) {
        bytes[len++] = (char)letter;
    } else {
        if (letter < 0x800) {
            bytes[len++] = (char)(0xC0 | letter >> 6);
        } else {
            if (letter < 0x10000) {
                bytes[len++] = (char)(0xE0 | letter >> 12);
            } else {
                bytes[len++] = (char)(0xF0 | letter >> 18);
                bytes[len++] = (char)(0x80 | (letter >> 12 & 0x3F));
            }
            bytes[len++] = (char)(0x80 | (letter >> 6 & 0x3F));
        }
        bytes[len++] = (char)(0x80 | (letter & 0x3F));
    }
    wappa_buf_add(text, bytes, len);
}

// After the backslash.
static bool read_escape(wappa_buf *text) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (*at == 'u') {
        unsigned letter, low;
        at++;
        if (!read_hex(&letter)) return false;
        // Half of a pair alone is JSON all the same; in no field's name it has an equal.
        if (letter >> 10 == 0xD800 >> 10 && at[0] == '\\' && at[1] == 'u') {
            const char *second = at;
            at += 2;
            if (!read_hex(&low)) return false;
            if (low >> 10 == 0xDC00 >> 10) {
                letter = 0x10000 + ((letter & 0x3FF) << 10 | (low & 0x3FF));
            } else {
                at = second;
            }
        }
        add_letter(text, letter);
        return true;
    }
    const char *letter = *at != '\0' ? strchr(letters, *at) : NULL;
    if (letter == NULL) return false;
    wappa_buf_add(text, &meanings[letter - letters], 1);
    at++;
    return true;
}

// Reads a string of JSON and what it means. That it is UTF-8 was checked before.
static bool read_string(wappa_buf *text) {
    wappa_buf_clear(text);
    if (*at++ != '"') return false;
    while (*at != '"') {
        const char *start = at;
        while (*at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) at++;
        wappa_buf_add(text, start, (size_t)(at - start));
        if (*at == '\\') {
            at++;
            if (!read_escape(text)) return false;
        } else if (*at != '"') {
            return false;
        }
    }
    at++;
    return true;
}

static bool skip_scalar(void) {
    static wappa_buf text;
    switch (*at) {
    case '"':
        return read_string(&text);
    case 't':
        return skip_word("true");
    case 'f':
        return skip_word("false");
    case 'n':
        return skip_word("null");
    default:
        return skip_number();
    }
}

// Copies the object to the output; false when it is none.
static bool redact_object(void) {
    static wappa_buf open, name; // The brackets that are open, and the name of a member.
    const char *copied = content.data;
    size_t masked_at = 0; // How many brackets were open when the value began that is masked; 0 when none is.
    wappa_buf_clear(&open);
    wappa_buf_clear(&output);
    at = content.data;
    skip_space();
    if (*at != '{') return false;
    do {
        // A value begins here.
        char first = *at;
        bool is_closed = true;
        if (first == '{' || first == '[') {
            at++;
            skip_space();
            is_closed = *at == (first == '{' ? '}' : ']');
            if (is_closed) {
                at++;
            } else {
                wappa_buf_add(&open, &first, 1);
            }
        } else if (!skip_scalar()) {
            return false;
        }
        // A value ended here, and maybe those around it.
        while (is_closed) {
            if (masked_at == open.len) {
                if (masked_at > 0) copied = at;
                masked_at = 0;
            }
            if (open.len == 0) break;
            skip_space();
            if (*at == ',') {
                at++;
                skip_space();
                break;
            }
            if (*at != (open.data[open.len - 1] == '{' ? '}' : ']')) return false;
            at++;
            open.len--;
        }
        // A member begins with its name.
        if (open.len > 0 && open.data[open.len - 1] == '{') {
            if (!read_string(&name)) return false;
            skip_space();
            if (*at++ != ':') return false;
            skip_space();
            if (masked_at == 0 && is_masked(&name)) {
                wappa_buf_add(&output, copied, (size_t)(at - copied));
                wappa_buf_add_text(&output, "\"***\"");
                masked_at = open.len;
            }
        }
    } while (open.len > 0);
    skip_space();
    wappa_buf_add(&output, copied, (size_t)(at - copied));
    return at == content.data + content.len;
}

static void redact(void) {
    if (wappa_content_get_text(&content) && redact_object()) {
        wappa_content_set(output.data, output.len);
    } else {
        wappa_fail("not a JSON object");
    }
}
WAPPA_PROCESSOR(redact)
