// The guest under a mock host: no WebAssembly is needed.
#undef NDEBUG
#include "wappa_mock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void greets_and_leaves_out_those_without_a_name(void) {
    wappa_mock_reset();
    wappa_mock_config("greeting", "welcome");
    size_t ann = wappa_mock_add_text("ann"), nobody = wappa_mock_add_text("");
    assert(wappa_mock_run());
    const wappa_mock_message *out = wappa_mock_out(ann, 0);
    assert(strcmp(out->content, "welcome, ann!") == 0);
    assert(strcmp(wappa_mock_meta(out, "greeted")->data, "true") == 0);
    assert(wappa_mock_count(nobody) == 0);
}

static void what_is_no_text_fails(void) {
    wappa_mock_reset();
    size_t message = wappa_mock_add("\xff", 1);
    assert(wappa_mock_run());
    assert(strcmp(wappa_mock_failed(message), "the content is not UTF-8") == 0);
}

int main(void) {
    greets_and_leaves_out_those_without_a_name();
    what_is_no_text_fails();
    wappa_mock_reset();
    puts("2 tests passed");
    return 0;
}
