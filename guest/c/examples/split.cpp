// Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with
// its number in the metadata `split_index`.
#include "wappa.hpp"

static std::string separator;

static const char *read_config() {
    separator = wappa::config("separator").value_or(",");
    return separator.empty() ? "the config `separator` is empty: give it at least one letter" : nullptr;
}
WAPPA_INIT(read_config)

static std::string_view strip(std::string_view text) {
    size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

static void split() {
    const std::string content = wappa::content();
    std::string_view rest = content;
    int64_t sent = 0;
    bool is_last = false;
    while (!is_last) {
        size_t end = rest.find(separator);
        is_last = end == std::string_view::npos;
        std::string_view piece = strip(rest.substr(0, end));
        if (!is_last) rest.remove_prefix(end + separator.size());
        if (piece.empty()) continue;
        wappa::set_content(piece);
        wappa::set_meta_number("split_index", sent++);
        wappa::emit();
    }
    // What was emitted takes the place of the message.
    wappa::filter();
}
WAPPA_PROCESSOR(split)
