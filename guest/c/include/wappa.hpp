// wappa.h in the manner of C++17: strings and views instead of buffers, and exceptions where they are on.
//
//     #include "wappa.hpp"
//
//     static void shout() { wappa::set_content(wappa::content() + "!"); }
//     WAPPA_PROCESSOR(shout)
//
// All of wappa.h can be used beside it: a static wappa_buf keeps its memory from message to message, where a
// std::string asks for it anew.
#ifndef WAPPA_HPP
#define WAPPA_HPP

#include "wappa.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>
#if defined(__cpp_exceptions)
#include <exception>
#endif

namespace wappa {

namespace detail {

// Calls a function of the host once, or twice where its answer did not fit.
template <typename Read> std::optional<std::string> read(Read read_into) {
    char first[128];
    int32_t len = read_into(first, static_cast<uint32_t>(sizeof first));
    if (len == -1) return std::nullopt;
    size_t size = static_cast<uint32_t>(len);
    if (size <= sizeof first) return std::string(first, size);
    std::string text(size, '\0');
    read_into(text.data(), wappa_u32(size));
    return text;
}

} // namespace detail

inline std::string content() {
    std::string text(wappa_v1_content_len(), '\0');
    wappa_v1_content_read(0, text.data(), wappa_u32(text.size()));
    return text;
}

inline void set_content(std::string_view data) { wappa_v1_content_write(data.data(), wappa_u32(data.size())); }

inline bool is_utf8(std::string_view data) { return wappa_is_utf8(data.data(), data.size()); }

// A value as text: a number, `true` or an object as it is printed. None when the key is missing.
inline std::optional<std::string> meta(std::string_view key) {
    return detail::read(
        [&](char *buf, uint32_t cap) { return wappa_v1_meta_get(key.data(), wappa_u32(key.size()), buf, cap); });
}

// A value as JSON: text with its quotes.
inline std::optional<std::string> meta_json(std::string_view key) {
    return detail::read(
        [&](char *buf, uint32_t cap) { return wappa_v1_meta_get_json(key.data(), wappa_u32(key.size()), buf, cap); });
}

// Sets a value to any bytes.
inline void set_meta(std::string_view key, std::string_view data) {
    wappa_v1_meta_set(key.data(), wappa_u32(key.size()), data.data(), wappa_u32(data.size()));
}

// Sets a value of any type. What is not JSON traps.
inline void set_meta_json(std::string_view key, std::string_view json) {
    wappa_v1_meta_set_json(key.data(), wappa_u32(key.size()), json.data(), wappa_u32(json.size()));
}

// Sets a number.
inline void set_meta_number(std::string_view key, int64_t number) { set_meta_json(key, std::to_string(number)); }

inline void set_meta_bool(std::string_view key, bool value) { set_meta_json(key, value ? "true" : "false"); }

// Removes a key, and says whether it was there.
inline bool delete_meta(std::string_view key) { return wappa_v1_meta_delete(key.data(), wappa_u32(key.size())) == 1; }

// All keys, in order.
inline std::vector<std::string> meta_keys() {
    std::string all = *detail::read([](char *buf, uint32_t cap) { return wappa_v1_meta_keys(buf, cap); });
    std::vector<std::string> keys;
    for (size_t at = 0; at < all.size();) {
        uint32_t len = 0;
        for (int byte = 3; byte >= 0; byte--) len = len << 8 | static_cast<unsigned char>(all[at + byte]);
        keys.push_back(all.substr(at + 4, len));
        at += 4 + len;
    }
    return keys;
}

// The error mark. None when the message has none.
inline std::optional<std::string> error() {
    return detail::read([](char *buf, uint32_t cap) { return wappa_v1_error_get(buf, cap); });
}

inline void clear_error() { wappa_v1_error_clear(); }

// Sends the message as it is now, and goes on with a copy.
inline void emit() { wappa_v1_emit(); }

// The message is not sent; what was emitted is.
inline void filter() { wappa_v1_filter(); }

// The message goes on as it came in, marked as failed; what was emitted is not sent. The last reason counts.
inline void fail(std::string_view reason) { wappa_v1_fail(reason.data(), wappa_u32(reason.size())); }

inline uint32_t batch_index() { return wappa_v1_batch_index(); }
inline uint32_t batch_len() { return wappa_v1_batch_len(); }

// An entry of the processor's field `config`. None when it is missing.
inline std::optional<std::string> config(std::string_view key) {
    return detail::read(
        [&](char *buf, uint32_t cap) { return wappa_v1_config_get(key.data(), wappa_u32(key.size()), buf, cap); });
}

inline void log(wappa_level level, std::string_view text) {
    wappa_v1_log(static_cast<int32_t>(level), text.data(), wappa_u32(text.size()));
}

// Adds to the metric `wasm_guest_<name>`: ASCII letters, digits and underscores.
inline void counter_add(std::string_view name, int64_t delta) {
    wappa_v1_counter_add(name.data(), wappa_u32(name.size()), delta);
}

// Calls the function for one message. An exception fails this message with its text.
template <typename Process> void process(Process process_one) {
#if defined(__cpp_exceptions)
    try {
        process_one();
    } catch (const std::exception &err) {
        fail(err.what());
    } catch (...) {
        fail("an exception that is not a std::exception");
    }
#else
    process_one();
#endif
}

} // namespace wappa

#undef WAPPA_PROCESSOR
#define WAPPA_PROCESSOR(process_one)                                                                                   \
    WAPPA_EXPORT("process") void wappa_guest_process(void) {                                                           \
        do wappa::process(process_one);                                                                                \
        while (wappa_next());                                                                                          \
    }

#endif
