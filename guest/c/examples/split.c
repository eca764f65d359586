// Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with
// its number in the metadata `split_index`.
#include "wappa.h"

#include <string.h>

static wappa_buf separator, content;

static const char *read_config(void) {
    if (!wappa_config_get("separator", &separator)) wappa_buf_add_text(&separator, ",");
    return separator.len > 0 ? NULL : "the config `separator` is empty: give it at least one letter";
}
WAPPA_INIT(read_config)

// Where the separator begins, or the end.
static const char *find_separator(const char *at, const char *end) {
    for (; (size_t)(end - at) >= separator.len; at++) {
        if (memcmp(at, separator.data, separator.len) == 0) return at;
    }
    return end;
}

static void split(void) {
    wappa_content_get(&content);
    const char *at = content.data, *end = content.data + content.len;
    // A piece is sent once the next one is found: the last one is the message itself.
    const char *piece = NULL;
    size_t piece_len = 0;
    uint64_t index = 0;
    while (true) {
        const char *piece_end = find_separator(at, end), *first = at, *last = piece_end;
        while (first < last && *first == ' ') first++;
        while (first < last && last[-1] == ' ') last--;
        if (first < last) {
            if (piece != NULL) wappa_emit();
            piece = first;
            piece_len = (size_t)(last - first);
            wappa_content_set(piece, piece_len);
            wappa_meta_set_u64("split_index", index++);
        }
        if (piece_end == end) break;
        at = piece_end + separator.len;
    }
    if (piece == NULL) wappa_filter();
}
WAPPA_PROCESSOR(split)
