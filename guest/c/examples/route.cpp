// Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
// The content is never read, and so never copied.
#include "wappa.hpp"

static std::string find_route() {
    std::optional<std::string> kind = wappa::meta("kind"), route;
    // A key of the config is text.
    if (kind && wappa::is_utf8(*kind)) route = wappa::config("route." + *kind);
    if (!route) route = wappa::config("default");
    return route.value_or("none");
}

static std::string joined(const std::vector<std::string> &keys) {
    std::string names;
    for (const std::string &key : keys) {
        if (&key != &keys.front()) names += ',';
        names += key;
    }
    return names;
}

static void decide() {
    const std::string route = find_route();
    const std::string names = joined(wappa::meta_keys());
    wappa::set_meta("route", route);
    wappa::set_meta("keys", names);
    wappa::set_meta("position", std::to_string(wappa::batch_index()) + "/" + std::to_string(wappa::batch_len()));
    wappa::delete_meta("secret");
    if (std::optional<std::string> error = wappa::error()) {
        wappa::set_meta("last_error", *error);
        wappa::clear_error();
    }
    wappa::counter_add("routed", 1);
    wappa::log(WAPPA_DEBUG, "routed to " + route);
}
WAPPA_PROCESSOR(decide)
