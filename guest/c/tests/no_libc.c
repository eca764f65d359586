// A guest without a C library, which calls every helper that works there. It must link.
#include "wappa.h"

#ifndef WAPPA_NO_LIBC
#error "the header has not seen that there is no C library"
#endif

static char content_room[1024], text_room[256], key_room[1024];
static wappa_buf content = WAPPA_BUF_OVER(content_room), text = WAPPA_BUF_OVER(text_room);
static wappa_keys keys = {.buf = WAPPA_BUF_OVER(key_room)};

static const char *init(void) { return wappa_config_get("suffix", &text) ? NULL : "the config `suffix` is missing"; }
WAPPA_INIT(init)

static void use_everything(void) {
    int64_t number = 0;
    bool is_true = false;
    if (wappa_meta_get_i64("number", &number)) wappa_meta_set_i64("number", number + 1);
    if (wappa_meta_get_bool("bool", &is_true)) wappa_meta_set_bool("bool", !is_true);
    if (wappa_meta_has("text") && wappa_meta_get("text", &text)) wappa_meta_set_bytes("copy", text.data, text.len);
    if (wappa_meta_get_json("text", &text)) wappa_meta_set_json("typed", text.data);
    if (wappa_error_get(&text)) wappa_error_clear();
    if (wappa_keys_start(&keys)) {
        while (wappa_keys_next(&keys)) wappa_meta_delete(keys.key);
    }
    wappa_meta_set_u64("index", wappa_batch_index());
    wappa_meta_set_u64("len", wappa_batch_len());
    wappa_meta_set_i64("time", wappa_now());
    wappa_random(text_room, sizeof text_room);
    wappa_log(WAPPA_INFO, "a line");
    wappa_counter_add("seen", 1);
    if (wappa_content_len() == 0) wappa_filter();
    if (!wappa_content_get_text(&content)) wappa_fail("not UTF-8, or too long");
    wappa_emit();
    if (!wappa_buf_add_i64(&content, -1)) wappa_fail("too long");
    wappa_content_set(content.data, content.len);
    if (wappa_buf_is(&content, "-1")) wappa_content_set_text("empty");
    wappa_buf_free(&content);
}
WAPPA_PROCESSOR(use_everything)
