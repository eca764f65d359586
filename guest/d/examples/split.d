/// Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with its
/// number in the metadata `split_index`.
module split;

import wappa;

nothrow @nogc:

mixin Guest!(split, prepare);

__gshared const(char)[] separator = ",";

void prepare() {
    if (auto it = config("separator")) separator = it;
    if (separator.length == 0) refuse("the config `separator` is empty: give it at least one letter");
}

void split(Message m) {
    size_t sent;
    const(char)[] rest = m.content;
    Text number;
    for (bool isLast; !isLast;) {
        const at = find(rest, separator);
        isLast = at == rest.length;
        const piece = strip(rest[0 .. at]);
        rest = isLast ? null : rest[at + separator.length .. $];
        if (piece.length == 0) continue;
        // A piece is sent once the next one is found: the last one is the message itself.
        if (sent > 0) m.emit();
        m.content = piece;
        number.clear();
        number.put(sent);
        m.setMetaJson("split_index", number[]);
        ++sent;
    }
    if (sent == 0) m.filter();
}

/// Where the text is found; the length where it is not.
size_t find(const(char)[] text, const(char)[] what) {
    foreach (at; 0 .. text.length) {
        if (text[at] == what[0] && what.length <= text.length - at && text[at .. at + what.length] == what) return at;
    }
    return text.length;
}

const(char)[] strip(const(char)[] text) {
    while (text.length > 0 && text[0] == ' ') text = text[1 .. $];
    while (text.length > 0 && text[$ - 1] == ' ') text = text[0 .. $ - 1];
    return text;
}
