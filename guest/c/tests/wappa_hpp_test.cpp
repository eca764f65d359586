// The helpers of wappa.hpp over the mock host.
#include "check.h"
#include "wappa.hpp"
#include "wappa_mock.h"

#include <stdexcept>

static void (*guest)();
static void process() { guest(); }
WAPPA_PROCESSOR(process)

static size_t run_on(void (*function)(), const char *content) {
    guest = function;
    size_t message = wappa_mock_add_text(content);
    wappa_mock_run();
    return message;
}

static void use_everything() {
    const std::string long_text(1000, 'x');
    wappa::set_content(wappa::content() + "!");
    CHECK(wappa::content() == "hi!" && wappa::is_utf8("\xC3\xA9") && !wappa::is_utf8("\xC3"));
    CHECK(!wappa::meta("key") && !wappa::meta_json("key") && !wappa::delete_meta("key"));
    wappa::set_meta("key", long_text);
    CHECK(wappa::meta("key") == long_text && wappa::meta_json("key") == '"' + long_text + '"');
    wappa::set_meta("", "");
    CHECK(wappa::meta("") == "");
    wappa::set_meta_number("number", -3);
    wappa::set_meta_bool("bool", false);
    wappa::set_meta_json("json", "[1]");
    CHECK((wappa::meta_keys() == std::vector<std::string>{"", "bool", "json", "key", "number"}));
    CHECK(wappa::delete_meta("key") && wappa::meta("number") == "-3");
    CHECK(wappa::error() == "earlier");
    wappa::clear_error();
    CHECK(!wappa::error());
    CHECK(wappa::batch_index() == 0 && wappa::batch_len() == 1);
    CHECK(wappa::config("key") == "value" && !wappa::config("missing"));
    wappa::log(WAPPA_INFO, "a line");
    wappa::counter_add("seen", 1);
    wappa::emit();
    wappa::filter();
}

static void everything_works() {
    wappa_mock_config("key", "value");
    guest = use_everything;
    size_t message = wappa_mock_add_text("hi");
    wappa_mock_set_error(message, "earlier");
    wappa_mock_run();
    CHECK(wappa_mock_failed(message) == nullptr && wappa_mock_count(message) == 1);
    CHECK_TEXT(wappa_mock_out(message, 0)->content, "hi!");
    CHECK_TEXT(wappa_mock_log(0)->text, "a line");
    CHECK(wappa_mock_counter("seen") == 1);
}

static void throw_text() { throw std::runtime_error("thrown: " + wappa::content()); }
static void throw_number() { throw 1; }

static void an_exception_fails_its_message_alone() {
    guest = [] {
        if (wappa::content() == "bad") throw_text();
        if (wappa::content() == "worse") throw_number();
        if (wappa::content() == "failed") wappa::fail("with a reason");
    };
    size_t bad = wappa_mock_add_text("bad"), worse = wappa_mock_add_text("worse"),
           failed_one = wappa_mock_add_text("failed"), good = wappa_mock_add_text("good");
    wappa_mock_run();
    CHECK_TEXT(wappa_mock_failed(bad), "thrown: bad");
    CHECK_TEXT(wappa_mock_failed(worse), "an exception that is not a std::exception");
    CHECK_TEXT(wappa_mock_failed(failed_one), "with a reason");
    CHECK(wappa_mock_failed(good) == nullptr && !wappa_mock_trapped(bad));
}

static void no_keys() { CHECK(wappa::meta_keys().empty()); }

int main() {
    everything_works();
    wappa_mock_reset();
    an_exception_fails_its_message_alone();
    wappa_mock_reset();
    run_on(no_keys, "");
    wappa_mock_reset();
    return report("wappa_hpp_test");
}
