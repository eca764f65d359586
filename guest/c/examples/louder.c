// Appends `!!!` to the content, which may be any bytes.
#include "wappa.h"

static wappa_buf content;

static void louder(void) {
    wappa_content_get(&content);
    wappa_buf_add_text(&content, "!!!");
    wappa_content_set(content.data, content.len);
}
WAPPA_PROCESSOR(louder)
