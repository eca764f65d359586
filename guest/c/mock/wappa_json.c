// JSON for the mock host and for tests.
#include "wappa_json.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 128 };

typedef struct reader {
    const char *at, *end;
} reader;

static void skip_space(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool skip(reader *r, char c) {
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool skip_word(reader *r, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) return false;
    r->at += len;
    return true;
}

static bool skip_digits(reader *r) {
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return r->at > start;
}

static bool read_number(reader *r, wappa_buf *text) {
    const char *start = r->at;
    skip(r, '-');
    if (!skip(r, '0') && !skip_digits(r)) return false;
    if (skip(r, '.') && !skip_digits(r)) return false;
    if (skip(r, 'e') || skip(r, 'E')) {
        if (!skip(r, '+')) skip(r, '-');
        if (!skip_digits(r)) return false;
    }
    wappa_buf_add(text, start, (size_t)(r->at - start));
    return true;
}

static bool read_hex(reader *r, unsigned *unit) {
    *unit = 0;
    if (r->end - r->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = *r->at != '\0' ? strchr(digits, *r->at) : NULL;
        if (digit == NULL) return false;
        unsigned value = (unsigned)(digit - digits);
        *unit = *unit << 4 | (value < 16 ? value : value - 6);
        r->at++;
    }
    return true;
}

static void add_letter(wappa_buf *text, unsigned letter) {
    static const unsigned char firsts[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = letter < 0x80 ? 1 : letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;
    char bytes[4];
    for (size_t i = len; i-- > 1; letter >>= 6) bytes[i] = (char)(0x80 | (letter & 0x3F));
    bytes[0] = (char)(firsts[len] | letter);
    if (len == 1) bytes[0] = (char)letter;
    wappa_buf_add(text, bytes, len);
}

static bool read_escape(reader *r, wappa_buf *text) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end || *r->at == '\0') return false;
    if (skip(r, 'u')) {
        unsigned letter, low;
        if (!read_hex(r, &letter)) return false;
        if (letter >= 0xDC00 && letter <= 0xDFFF) return false;
        if (letter >= 0xD800 && letter <= 0xDBFF) {
            if (!skip_word(r, "\\u") || !read_hex(r, &low) || low < 0xDC00 || low > 0xDFFF) return false;
            letter = 0x10000 + ((letter & 0x3FF) << 10 | (low & 0x3FF));
        }
        add_letter(text, letter);
        return true;
    }
    const char *letter = strchr(letters, *r->at++);
    return letter != NULL && wappa_buf_add(text, &meanings[letter - letters], 1);
}

static bool read_text(reader *r, wappa_buf *text) {
    if (!skip(r, '"')) return false;
    wappa_buf_add(text, NULL, 0);
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"') return true;
        if ((unsigned char)c < 0x20) return false;
        if (c != '\\') {
            wappa_buf_add(text, &c, 1);
        } else if (!read_escape(r, text)) {
            return false;
        }
    }
    return false;
}

static int compare_names(const wappa_buf *one, const wappa_buf *other) {
    size_t len = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->data, other->data, len);
    return order != 0 ? order : (one->len > other->len) - (one->len < other->len);
}

// Where a member belongs in the order of names. One of the same name makes place for it.
static wappa_json **find_place(wappa_json *object, wappa_json *item) {
    wappa_json **place = &object->first;
    while (*place != NULL) {
        int order = compare_names(&(*place)->name, &item->name);
        if (order >= 0) {
            wappa_json *next = *place;
            if (order == 0) {
                next = (*place)->next;
                (*place)->next = NULL;
                wappa_json_free(*place);
            }
            item->next = next;
            break;
        }
        place = &(*place)->next;
    }
    return place;
}

static wappa_json *read_value(reader *r, int depth);

// Reads what is between the brackets, and the closing one.
static bool read_items(reader *r, wappa_json *into, char close, int depth) {
    skip_space(r);
    if (skip(r, close)) return true;
    wappa_json **last = &into->first;
    do {
        wappa_buf name = {0};
        skip_space(r);
        if (close == '}') {
            bool has_name = read_text(r, &name);
            skip_space(r);
            if (!has_name || !skip(r, ':')) {
                wappa_buf_free(&name);
                return false;
            }
        }
        wappa_json *item = read_value(r, depth + 1);
        if (item == NULL) {
            wappa_buf_free(&name);
            return false;
        }
        item->name = name;
        if (close == '}') last = find_place(into, item);
        *last = item;
        last = &item->next;
        skip_space(r);
    } while (skip(r, ','));
    return skip(r, close);
}

static wappa_json *read_value(reader *r, int depth) {
    if (depth > DEPTH_MAX) return NULL;
    wappa_json *json = calloc(1, sizeof *json);
    if (json == NULL) abort();
    bool is_good;
    skip_space(r);
    if (r->at < r->end && *r->at == '"') {
        json->type = WAPPA_JSON_TEXT;
        is_good = read_text(r, &json->text);
    } else if (skip(r, '{')) {
        json->type = WAPPA_JSON_OBJECT;
        is_good = read_items(r, json, '}', depth);
    } else if (skip(r, '[')) {
        json->type = WAPPA_JSON_LIST;
        is_good = read_items(r, json, ']', depth);
    } else if (skip_word(r, "true")) {
        json->type = WAPPA_JSON_TRUE;
        is_good = true;
    } else if (skip_word(r, "false")) {
        json->type = WAPPA_JSON_FALSE;
        is_good = true;
    } else if (skip_word(r, "null")) {
        json->type = WAPPA_JSON_NULL;
        is_good = true;
    } else {
        json->type = WAPPA_JSON_NUMBER;
        is_good = read_number(r, &json->text);
    }
    if (is_good) return json;
    wappa_json_free(json);
    return NULL;
}

wappa_json *wappa_json_read(const char *text, size_t len) {
    if (!wappa_is_utf8(text, len)) return NULL;
    reader r = {text, text + len};
    wappa_json *json = read_value(&r, 0);
    skip_space(&r);
    if (json != NULL && r.at != r.end) {
        wappa_json_free(json);
        return NULL;
    }
    return json;
}

void wappa_json_free(wappa_json *json) {
    while (json != NULL) {
        wappa_json *next = json->next;
        wappa_json_free(json->first);
        wappa_buf_free(&json->name);
        wappa_buf_free(&json->text);
        free(json);
        json = next;
    }
}

static bool is_same(const wappa_buf *one, const char *data, size_t len) {
    return one->len == len && (len == 0 || memcmp(one->data, data, len) == 0);
}

const wappa_json *wappa_json_member(const wappa_json *object, const char *name) {
    if (object->type != WAPPA_JSON_OBJECT) return NULL;
    const wappa_json *item = object->first;
    while (item != NULL && !is_same(&item->name, name, strlen(name))) item = item->next;
    return item;
}

bool wappa_json_equal(const wappa_json *one, const wappa_json *other) {
    if (one->type != other->type) return false;
    if (one->type == WAPPA_JSON_NUMBER) return strtod(one->text.data, NULL) == strtod(other->text.data, NULL);
    if (!is_same(&one->text, other->text.data, other->text.len)) return false;
    const wappa_json *item = one->first, *match = other->first;
    for (; item != NULL && match != NULL; item = item->next, match = match->next) {
        if (!is_same(&item->name, match->name.data, match->name.len) || !wappa_json_equal(item, match)) return false;
    }
    return item == match;
}

void wappa_json_write_text(wappa_buf *buf, const char *data, size_t len) {
    static const char digits[] = "0123456789abcdef", short_ones[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    wappa_buf_add_text(buf, "\"");
    for (size_t at = 0; at < len;) {
        unsigned char c = (unsigned char)data[at];
        if (c >= 0x80) {
            size_t letter = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
            bool is_good = letter <= len - at && wappa_is_utf8(data + at, letter);
            wappa_buf_add(buf, is_good ? data + at : "\xEF\xBF\xBD", is_good ? letter : 3);
            at += is_good ? letter : 1;
            continue;
        }
        const char *short_one = c != '\0' ? strchr(short_ones, c) : NULL;
        if (short_one != NULL) {
            char escape[] = {'\\', letters[short_one - short_ones]};
            wappa_buf_add(buf, escape, sizeof escape);
        } else if (c < 0x20) {
            char escape[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            wappa_buf_add(buf, escape, sizeof escape);
        } else {
            wappa_buf_add(buf, data + at, 1);
        }
        at++;
    }
    wappa_buf_add_text(buf, "\"");
}

// A whole number as it is, another one in the fewest digits: `2.50` becomes `2.5`.
static void write_number(wappa_buf *buf, const wappa_buf *text) {
    char shortest[40];
    if (strpbrk(text->data, ".eE") == NULL) {
        wappa_buf_add(buf, text->data, text->len);
        return;
    }
    double number = strtod(text->data, NULL);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(shortest, sizeof shortest, "%.*g", digits, number);
        if (strtod(shortest, NULL) == number) break;
    }
    wappa_buf_add_text(buf, shortest);
}

void wappa_json_write(wappa_buf *buf, const wappa_json *json) {
    static const char *const words[] = {"null", "false", "true"};
    switch (json->type) {
    case WAPPA_JSON_NUMBER:
        write_number(buf, &json->text);
        return;
    case WAPPA_JSON_TEXT:
        wappa_json_write_text(buf, json->text.data, json->text.len);
        return;
    case WAPPA_JSON_LIST:
    case WAPPA_JSON_OBJECT:
        break;
    default:
        wappa_buf_add_text(buf, words[json->type]);
        return;
    }
    bool is_object = json->type == WAPPA_JSON_OBJECT;
    wappa_buf_add_text(buf, is_object ? "{" : "[");
    for (const wappa_json *item = json->first; item != NULL; item = item->next) {
        if (item != json->first) wappa_buf_add_text(buf, ",");
        if (is_object) {
            wappa_json_write_text(buf, item->name.data, item->name.len);
            wappa_buf_add_text(buf, ":");
        }
        wappa_json_write(buf, item);
    }
    wappa_buf_add_text(buf, is_object ? "}" : "]");
}
