// Greets the people whose names come as messages.
#include "wappa.h"

static wappa_buf greeting, name, text;

static const char *init(void) {
    if (!wappa_config_get("greeting", &greeting)) wappa_buf_add_text(&greeting, "hello");
    return NULL;
}
WAPPA_INIT(init)

static void greet(void) {
    if (!wappa_content_get_text(&name)) {
        wappa_fail("the content is not UTF-8");
        return;
    }
    if (name.len == 0) {
        wappa_filter();
        return;
    }
    wappa_buf_clear(&text);
    wappa_buf_add(&text, greeting.data, greeting.len);
    wappa_buf_add_text(&text, ", ");
    wappa_buf_add(&text, name.data, name.len);
    wappa_buf_add_text(&text, "!");
    wappa_content_set(text.data, text.len);
    wappa_meta_set_bool("greeted", true);
    wappa_counter_add("greeted", 1);
}
WAPPA_PROCESSOR(greet)
