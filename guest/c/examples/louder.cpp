// Appends `!!!` to the content, which may be any bytes.
#include "wappa.hpp"

static void louder() { wappa::set_content(wappa::content() + "!!!"); }
WAPPA_PROCESSOR(louder)
