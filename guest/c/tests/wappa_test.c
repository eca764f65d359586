// The helpers of wappa.h, function by function, over the mock host; and the mock host itself.
#define WAPPA_PRINTF
#include "check.h"
#include "wappa_json.h"
#include "wappa_mock.h"

// The guest of these tests is whatever function a test names.
static void (*guest)(void);
static void process(void) { guest(); }
WAPPA_PROCESSOR(process)

static const char *refusal;
static const char *init(void) { return refusal; }
WAPPA_INIT(init)

static int closed;
static void count_close(void) { closed++; }
WAPPA_CLOSE(count_close)

static wappa_buf buf;

// Runs the guest on one message.
static size_t run_on(void (*function)(void), const char *content) {
    guest = function;
    size_t message = wappa_mock_add_text(content);
    wappa_mock_run();
    return message;
}

static const char *content_of(size_t message, size_t index) {
    const wappa_mock_message *out = wappa_mock_out(message, index);
    return out != NULL ? out->content : NULL;
}

static const char *meta_of(size_t message, const char *key) {
    const wappa_mock_value *value = wappa_mock_meta(wappa_mock_out(message, 0), key);
    return value != NULL ? value->data : NULL;
}

// ---- Buffers

static void buffers_grow(void) {
    wappa_buf text = {0};
    for (int i = 0; i < 1000; i++) wappa_buf_add_text(&text, "0123456789");
    CHECK(text.len == 10000 && text.data[10000] == '\0' && text.data[9999] == '9');
    wappa_buf_clear(&text);
    CHECK(text.len == 0 && text.room >= 10000);
    CHECK_TEXT(text.data, "");
    wappa_buf_free(&text);
    CHECK(text.data == NULL && text.room == 0);
}

static void buffers_with_fixed_room_say_what_does_not_fit(void) {
    char room[8];
    wappa_buf text = WAPPA_BUF_OVER(room);
    CHECK(wappa_buf_add_text(&text, "1234567") && !text.overflow);
    CHECK(!wappa_buf_add_text(&text, "8") && text.overflow);
    CHECK_TEXT(room, "1234567");
    wappa_buf_clear(&text);
    CHECK(!text.overflow && wappa_buf_add(&text, NULL, 0));
    wappa_buf_free(&text);
    CHECK(text.data == room);
}

static void numbers_are_written(void) {
    wappa_buf_clear(&buf);
    wappa_buf_add_u64(&buf, 0);
    wappa_buf_add_text(&buf, " ");
    wappa_buf_add_u64(&buf, UINT64_MAX);
    wappa_buf_add_text(&buf, " ");
    wappa_buf_add_i64(&buf, INT64_MIN);
    wappa_buf_addf(&buf, " %s %.1f", "formatted", 1.5);
    CHECK_TEXT(buf.data, "0 18446744073709551615 -9223372036854775808 formatted 1.5");
    CHECK(wappa_buf_is(&buf, buf.data) && !wappa_buf_is(&buf, "0") && !wappa_buf_is(&buf, ""));
}

static void utf8_is_told_from_other_bytes(void) {
    static const char *const good[] = {
        "", "a", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",
                                      "\xC1\xBF",
                                      "\xC2",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\x80\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE2\x82",
                                      "\xE2\x82z",
                                      "\xF0\x9F\x98z",
                                      "\xFF"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK(wappa_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!wappa_is_utf8(bad[i], strlen(bad[i])));
}

// ---- Content and metadata

static void reverse(void) {
    wappa_content_get(&buf);
    for (size_t i = 0; i < buf.len / 2; i++) {
        char c = buf.data[i];
        buf.data[i] = buf.data[buf.len - 1 - i];
        buf.data[buf.len - 1 - i] = c;
    }
    wappa_content_set(buf.data, buf.len);
}

static void content_may_be_any_bytes(void) {
    guest = reverse;
    size_t bytes = wappa_mock_add("\xFF\0\x01", 3), empty = wappa_mock_add_text("");
    wappa_mock_run();
    CHECK(wappa_mock_out(bytes, 0)->len == 3 && memcmp(content_of(bytes, 0), "\x01\0\xFF", 3) == 0);
    CHECK(wappa_mock_out(empty, 0)->len == 0);
}

static void tell_text(void) { wappa_content_set_text(wappa_content_get_text(&buf) ? "text" : "bytes"); }

static void content_is_told_to_be_text(void) {
    CHECK_TEXT(content_of(run_on(tell_text, "\xC3\xA9"), 0), "text");
    CHECK_TEXT(content_of(run_on(tell_text, "\xC3"), 0), "bytes");
}

static void fill_small_room(void) {
    char room[4];
    wappa_buf small = WAPPA_BUF_OVER(room);
    bool fits = wappa_content_get(&small), has_key = wappa_meta_get("key", &small);
    wappa_content_set_text(fits ? "fits" : has_key ? "?" : small.overflow ? "overflow" : "missing");
}

static void content_that_does_not_fit_is_told_from_a_missing_key(void) {
    guest = fill_small_room;
    size_t short_one = wappa_mock_add_text("abc"), long_one = wappa_mock_add_text("abcd"),
           both = wappa_mock_add_text("abcd");
    wappa_mock_set_meta(both, "key", "abcd");
    wappa_mock_run();
    CHECK_TEXT(content_of(short_one, 0), "fits");
    CHECK_TEXT(content_of(long_one, 0), "missing");
    CHECK_TEXT(content_of(both, 0), "overflow");
}

static void describe_key(void) {
    bool is_there = wappa_meta_get("key", &buf);
    CHECK(is_there == wappa_meta_has("key"));
    wappa_meta_set("printed", is_there ? buf.data : "missing");
    is_there = wappa_meta_get_json("key", &buf);
    wappa_meta_set("json", is_there ? buf.data : "missing");
    wappa_meta_set_bool("deleted", wappa_meta_delete("key"));
}

static void missing_empty_and_typed_values_differ(void) {
    guest = describe_key;
    size_t missing = wappa_mock_add_text(""), empty = wappa_mock_add_text(""), number = wappa_mock_add_text(""),
           object = wappa_mock_add_text(""), bytes = wappa_mock_add_text("");
    wappa_mock_set_meta(empty, "key", "");
    wappa_mock_set_meta_json(number, "key", "2.50");
    wappa_mock_set_meta_json(object, "key", "{\"b\": \"\\n\", \"a\": [null], \"b\": 1}");
    wappa_mock_set_meta_bytes(bytes, "key", "\xFF\"", 2);
    wappa_mock_run();
    CHECK_TEXT(meta_of(missing, "printed"), "missing");
    CHECK_TEXT(meta_of(missing, "json"), "missing");
    CHECK_TEXT(meta_of(missing, "deleted"), "false");
    CHECK_TEXT(meta_of(empty, "printed"), "");
    CHECK_TEXT(meta_of(empty, "json"), "\"\"");
    CHECK_TEXT(meta_of(empty, "deleted"), "true");
    CHECK_TEXT(meta_of(number, "printed"), "2.5");
    CHECK_TEXT(meta_of(object, "printed"), "{\"a\":[null],\"b\":1}");
    CHECK_TEXT(meta_of(bytes, "printed"), "\xFF\"");
    CHECK_TEXT(meta_of(bytes, "json"), "\"\xEF\xBF\xBD\\\"\"");
    CHECK(wappa_mock_meta(wappa_mock_out(number, 0), "key") == NULL);
}

static void read_numbers(void) {
    int64_t whole = 7;
    double any = 7;
    bool is = false;
    wappa_buf_clear(&buf);
    bool has_whole = wappa_meta_get_i64("n", &whole), has_any = wappa_meta_get_f64("n", &any),
         has_bool = wappa_meta_get_bool("n", &is);
    wappa_buf_addf(&buf, "%d %lld %d %g %d %d", has_whole, (long long)whole, has_any, any, has_bool, is);
    wappa_content_set(buf.data, buf.len);
}

static void typed_values_are_read(void) {
    static const struct {
        const char *json, *expected;
    } cases[] = {
        {"3", "1 3 1 3 0 0"},
        {"-3", "1 -3 1 -3 0 0"},
        {"\"12\"", "1 12 1 12 0 0"},
        {"1.5", "0 7 1 1.5 0 0"},
        {"true", "0 7 0 7 1 1"},
        {"false", "0 7 0 7 1 0"},
        {"9223372036854775807", "1 9223372036854775807 1 9.22337e+18 0 0"},
        {"-9223372036854775808", "1 -9223372036854775808 1 -9.22337e+18 0 0"},
        {"9223372036854775808", "0 7 1 9.22337e+18 0 0"},
        {"99999999999999999999999", "0 7 1 1e+23 0 0"},
        {"\"\"", "0 7 0 7 0 0"},
        {"\"-\"", "0 7 0 7 0 0"},
        {"\" 1\"", "0 7 0 7 0 0"},
        {"\"0x10\"", "0 7 0 7 0 0"},
        {"\"inf\"", "0 7 0 7 0 0"},
        {"\"1e\"", "0 7 0 7 0 0"},
        {"null", "0 7 0 7 0 0"},
        {"[1]", "0 7 0 7 0 0"},
    };
    guest = read_numbers;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t message = wappa_mock_add_text("");
        wappa_mock_set_meta_json(message, "n", cases[i].json);
        wappa_mock_run();
        CHECK_TEXT(content_of(message, 0), cases[i].expected);
    }
}

static void write_types(void) {
    wappa_meta_set_i64("i64", INT64_MIN);
    wappa_meta_set_u64("u64", UINT64_MAX);
    wappa_meta_set_f64("f64", 0.1);
    wappa_meta_set_f64("nan", 0.0 / 0.0);
    wappa_meta_set_bool("bool", true);
    wappa_meta_set_json("json", " [1, \"x\"] ");
    wappa_meta_set_json("text", "\"\\u00e9\"");
    wappa_meta_set_bytes("bytes", "a\0b", 3);
}

static void typed_values_are_written(void) {
    size_t message = run_on(write_types, "");
    CHECK_TEXT(meta_of(message, "i64"), "-9223372036854775808");
    CHECK_TEXT(meta_of(message, "u64"), "18446744073709551615");
    CHECK_TEXT(meta_of(message, "f64"), "0.1");
    CHECK_TEXT(meta_of(message, "nan"), "null");
    CHECK_TEXT(meta_of(message, "bool"), "true");
    CHECK_TEXT(meta_of(message, "json"), "[1,\"x\"]");
    CHECK_TEXT(meta_of(message, "text"), "\xC3\xA9");
    const wappa_mock_message *out = wappa_mock_out(message, 0);
    CHECK(wappa_mock_meta(out, "bytes")->len == 3 && !wappa_mock_meta(out, "text")->is_json);
    CHECK(wappa_mock_meta(out, "u64")->is_json);
}

static void join_keys(void) {
    static wappa_keys keys;
    wappa_buf_clear(&buf);
    wappa_keys_start(&keys);
    while (wappa_keys_next(&keys)) {
        wappa_buf_addf(&buf, "%s=%zu;", keys.key, keys.len);
        wappa_meta_delete(keys.key);
    }
    wappa_buf_add_text(&buf, wappa_keys_next(&keys) ? "?" : ".");
    wappa_content_set(buf.data, buf.len);
}

static void keys_are_listed_in_order(void) {
    char long_key[1001] = {0};
    memset(long_key, 'x', 1000);
    guest = join_keys;
    size_t some = wappa_mock_add_text(""), none = wappa_mock_add_text("");
    wappa_mock_set_meta(some, long_key, "");
    wappa_mock_set_meta(some, "b", "2");
    wappa_mock_set_meta(some, "", "empty");
    wappa_mock_set_meta(some, "a", "1");
    wappa_mock_run();
    const char *keys = content_of(some, 0);
    CHECK(strncmp(keys, "=0;a=1;b=1;xxx", 14) == 0 && strcmp(keys + strlen(keys) - 8, "x=1000;.") == 0);
    CHECK(wappa_mock_out(some, 0)->metadata_len == 0);
    CHECK_TEXT(content_of(none, 0), ".");
}

// ---- What becomes of a message

// Does what the letters of the content say.
static void obey(void) {
    wappa_content_get(&buf);
    char verbs[16];
    snprintf(verbs, sizeof verbs, "%s", buf.data);
    for (const char *verb = verbs; *verb != '\0'; verb++) {
        if (*verb == 'w') wappa_content_set_text("written");
        if (*verb == 'm') wappa_meta_set("m", "set");
        if (*verb == 'e') wappa_emit();
        if (*verb == 'f') wappa_filter();
        if (*verb == 'X') wappa_fail("first");
        if (*verb == 'Y') wappa_failf("second %d", 2);
        if (*verb == 'Z') wappa_fail(" ");
        if (*verb == 'T') wappa_meta_set_json("m", "{");
        if (*verb == 'c') wappa_error_clear();
    }
}

static void verbs_combine(void) {
    // The verbs, and what comes out: content, the key m, and the mark; one message after the other.
    static const struct {
        const char *verbs, *expected;
    } cases[] = {
        {"k", "k,,;"},
        {"w", "written,,;"},
        {"wm", "written,set,;"},
        {"f", ""},
        {"wf", ""},
        {"e", "e,,;e,,;"},
        {"ewme", "ewme,,;written,set,;written,set,;"},
        {"ewf", "ewf,,;"},
        {"fe", "fe,,;"},
        {"wmX", "wmX,,first;"},
        {"eX", "eX,,first;"},
        {"fX", "fX,,first;"},
        {"Xf", "Xf,,first;"},
        {"XY", "XY,,second 2;"},
        {"XewY", "XewY,,second 2;"},
        {"Z", "Z,,the guest gave no reason;"},
        {"wmeT", "wmeT,,v1_meta_set_json: the value is not JSON;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t per_call = 0; per_call <= 1; per_call++) {
            wappa_mock_messages_per_call(per_call);
            guest = obey;
            wappa_mock_add_text("k");
            size_t message = wappa_mock_add_text(cases[i].verbs), last = wappa_mock_add_text("k");
            wappa_mock_run();
            wappa_buf got = {0};
            for (size_t n = 0; n < wappa_mock_count(message); n++) {
                const wappa_mock_message *out = wappa_mock_out(message, n);
                const wappa_mock_value *value = wappa_mock_meta(out, "m");
                wappa_buf_addf(&got, "%s,%s,%s;", out->content, value != NULL ? value->data : "",
                               out->error != NULL ? out->error : "");
            }
            CHECK(wappa_buf_is(&got, cases[i].expected));
            CHECK(wappa_mock_trapped(message) == (strchr(cases[i].verbs, 'T') != NULL));
            CHECK_TEXT(content_of(last, 0), "k");
            wappa_buf_free(&got);
        }
    }
}

static void a_mark_stays_until_it_is_cleared(void) {
    guest = obey;
    size_t kept = wappa_mock_add_text("we"), cleared = wappa_mock_add_text("c"),
           failed_again = wappa_mock_add_text("cX");
    for (size_t message = kept; message <= failed_again; message++) wappa_mock_set_error(message, "earlier");
    wappa_mock_run();
    CHECK_TEXT(wappa_mock_out(kept, 0)->error, "earlier");
    CHECK_TEXT(wappa_mock_out(kept, 1)->error, "earlier");
    CHECK(wappa_mock_out(cleared, 0)->error == NULL && wappa_mock_failed(cleared) == NULL);
    CHECK_TEXT(wappa_mock_out(failed_again, 0)->error, "first");
}

static void read_mark(void) { wappa_content_set_text(wappa_error_get(&buf) ? buf.data : "no mark"); }

static void marks_are_read(void) {
    guest = read_mark;
    size_t marked = wappa_mock_add_text(""), unmarked = wappa_mock_add_text("");
    wappa_mock_set_error(marked, "why");
    wappa_mock_run();
    CHECK_TEXT(content_of(marked, 0), "why");
    CHECK_TEXT(content_of(unmarked, 0), "no mark");
}

static void set_bad_key(void) { wappa_meta_set("\xFF", ""); }
static void count_down(void) { wappa_counter_add("n", -1); }
static void count_badly(void) { wappa_counter_add("n-1", 1); }
static void log_badly(void) { wappa_log((wappa_level)5, ""); }
static void read_after_the_end(void) {
    while (wappa_next()) {}
    wappa_content_len();
}

static void mistakes_trap(void) {
    void (*const mistakes[])(void) = {set_bad_key, count_down, count_badly, log_badly};
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        CHECK(wappa_mock_trapped(run_on(mistakes[i], "kept")));
    }
    // The message was finished, so that it stands.
    size_t message = run_on(read_after_the_end, "kept");
    CHECK(!wappa_mock_trapped(message) && wappa_mock_failed(message) == NULL);
    CHECK_TEXT(content_of(message, 0), "kept");
    CHECK_TEXT(wappa_mock_log(0)->text, "v1_content_len: there is no message to work on");
}

// ---- What there is besides messages

static void write_position(void) {
    wappa_buf_clear(&buf);
    wappa_buf_addf(&buf, "%u/%u", (unsigned)wappa_batch_index(), (unsigned)wappa_batch_len());
    wappa_content_set(buf.data, buf.len);
}

static void positions_are_those_of_the_batch(void) {
    for (size_t per_call = 0; per_call <= 1; per_call++) {
        wappa_mock_messages_per_call(per_call);
        guest = write_position;
        size_t first = wappa_mock_add_text(""), second = wappa_mock_add_text("");
        wappa_mock_run();
        CHECK_TEXT(content_of(first, 0), "0/2");
        CHECK_TEXT(content_of(second, 0), "1/2");
        CHECK_TEXT(content_of(run_on(write_position, ""), 0), "0/1");
    }
}

static void use_the_rest(void) {
    unsigned char bytes[4] = {0};
    wappa_random(bytes, sizeof bytes);
    wappa_random(NULL, 0);
    CHECK((bytes[0] | bytes[1] | bytes[2] | bytes[3]) != 0);
    CHECK(wappa_now() == 1500);
    CHECK(wappa_config_get("key", &buf) && wappa_buf_is(&buf, "value"));
    CHECK(wappa_config_get("empty", &buf) && buf.len == 0);
    CHECK(!wappa_config_get("missing", &buf));
    wappa_log(WAPPA_WARN, "plain");
    wappa_logf(WAPPA_DEBUG, "%s %d", "formatted", 1);
    wappa_counter_add("seen", 2);
    wappa_counter_add("seen", 3);
}

static void config_log_and_counters(void) {
    wappa_mock_config("key", "value");
    wappa_mock_config("empty", "");
    wappa_mock_time(1500);
    run_on(use_the_rest, "");
    CHECK(wappa_mock_log(0)->level == WAPPA_WARN && wappa_mock_log(1)->level == WAPPA_DEBUG);
    CHECK_TEXT(wappa_mock_log(0)->text, "plain");
    CHECK_TEXT(wappa_mock_log(1)->text, "formatted 1");
    CHECK(wappa_mock_log(2) == NULL);
    CHECK(wappa_mock_counter("seen") == 5 && wappa_mock_counter("other") == 0);
}

static void a_guest_may_refuse_to_start(void) {
    refusal = "the config `key` is missing";
    wappa_mock_add_text("");
    CHECK(!wappa_mock_run());
    CHECK(wappa_mock_log(0)->level == WAPPA_ERROR);
    CHECK_TEXT(wappa_mock_log(0)->text, refusal);
    int before = closed;
    wappa_mock_reset();
    CHECK(closed == before);
    refusal = NULL;
    run_on(reverse, "");
    wappa_mock_reset();
    CHECK(closed == before + 1);
}

static void json_is_read_strictly(void) {
    static const char *const good[] = {"null", " [1, -0, 0.5, 1e9, 1E+9, 1.0e-9] ", "{}", "{\"a\":{\"\":[]}}",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\ud83e\\udd80\""};
    static const char *const bad[] = {"",        "nul",       "1 2",         "01",         "1.",       "1.e1",
                                      ".5",      "+1",        "-",           "1e",         "[1,]",     "[",
                                      "[1",      "{\"a\"}",   "{a:1}",       "{\"a\":1,}", "\"\x01\"", "\"",
                                      "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\xFF\"",   "'a'",      "{\"a\":1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wappa_json *json = wappa_json_read(good[i], strlen(good[i]));
        CHECK(json != NULL);
        wappa_json_free(json);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(wappa_json_read(bad[i], strlen(bad[i])) == NULL);
    static char deep[300];
    memset(deep, '[', sizeof deep);
    CHECK(wappa_json_read(deep, sizeof deep) == NULL);
}

int main(void) {
    void (*const tests[])(void) = {
        buffers_grow,
        buffers_with_fixed_room_say_what_does_not_fit,
        numbers_are_written,
        utf8_is_told_from_other_bytes,
        content_may_be_any_bytes,
        content_is_told_to_be_text,
        content_that_does_not_fit_is_told_from_a_missing_key,
        missing_empty_and_typed_values_differ,
        typed_values_are_read,
        typed_values_are_written,
        keys_are_listed_in_order,
        verbs_combine,
        a_mark_stays_until_it_is_cleared,
        marks_are_read,
        mistakes_trap,
        positions_are_those_of_the_batch,
        config_log_and_counters,
        a_guest_may_refuse_to_start,
        json_is_read_strictly,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        wappa_mock_reset();
        tests[i]();
    }
    wappa_mock_reset();
    wappa_buf_free(&buf);
    return report("wappa_test");
}
