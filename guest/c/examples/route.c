// Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
// The content is never read, and so never copied.
#include "wappa.h"

#include <string.h>

static wappa_buf kind, config_key, route, names, position, error, line;
static wappa_keys keys;

static void find_route(void) {
    if (wappa_meta_get("kind", &kind) && memchr(kind.data, '\0', kind.len) == NULL &&
        wappa_is_utf8(kind.data, kind.len)) {
        wappa_buf_clear(&config_key);
        wappa_buf_add_text(&config_key, "route.");
        wappa_buf_add(&config_key, kind.data, kind.len);
        if (wappa_config_get(config_key.data, &route)) return;
    }
    if (!wappa_config_get("default", &route)) wappa_buf_add_text(&route, "none");
}

static void decide(void) {
    find_route();

    wappa_buf_clear(&names);
    wappa_keys_start(&keys);
    while (wappa_keys_next(&keys)) {
        if (names.len > 0) wappa_buf_add_text(&names, ",");
        wappa_buf_add(&names, keys.key, keys.len);
    }

    wappa_buf_clear(&position);
    wappa_buf_add_u64(&position, wappa_batch_index());
    wappa_buf_add_text(&position, "/");
    wappa_buf_add_u64(&position, wappa_batch_len());

    wappa_meta_set_bytes("route", route.data, route.len);
    wappa_meta_set_bytes("keys", names.data, names.len);
    wappa_meta_set("position", position.data);
    wappa_meta_delete("secret");
    if (wappa_error_get(&error)) {
        wappa_meta_set_bytes("last_error", error.data, error.len);
        wappa_error_clear();
    }

    wappa_counter_add("routed", 1);
    wappa_buf_clear(&line);
    wappa_buf_add_text(&line, "routed to ");
    wappa_buf_add(&line, route.data, route.len);
    wappa_log(WAPPA_DEBUG, line.data);
}
WAPPA_PROCESSOR(decide)
