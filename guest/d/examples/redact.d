/// Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
/// text `***`. What is not a JSON object fails.
///
/// The object is checked and copied in one walk without recursion: its depth is bounded by memory alone, and what is not
/// replaced stays as it was written.
module redact;

import wappa;

nothrow @nogc:

mixin Guest!(redact, prepare);

__gshared const(char)[] fields = "password,email";

void prepare() {
    auto it = config("fields");
    if (it !is null) fields = it;
}

void redact(Message m) {
    auto walk = Walk(m.content);
    Text output;
    if (isText(walk.text) && walk.redact(output)) {
        m.content = output[];
    } else {
        m.fail("not a JSON object");
    }
}

bool isMasked(const(char)[] name) {
    const(char)[] rest = fields;
    while (rest.length > 0) {
        size_t len;
        while (len < rest.length && rest[len] != ',') ++len;
        if (len > 0 && rest[0 .. len] == name) return true;
        rest = len < rest.length ? rest[len + 1 .. $] : null;
    }
    return false;
}

/// A walk over JSON; its functions return false where it is none.
struct Walk {
nothrow @nogc:
    const(char)[] text;
    size_t at;

    bool redact(ref Text output) {
        Text open; // The brackets that are open.
        Text name; // Of a member.
        size_t copied;
        size_t maskedAt; // How many brackets were open when the value began that is masked; 0 when none is.
        skipSpace();
        if (letter != '{') return false;
        do {
            // A value begins here.
            const first = letter;
            bool isClosed = true;
            if (first == '{' || first == '[') {
                ++at;
                skipSpace();
                isClosed = skip(closing(first));
                if (!isClosed) open.put(first);
            } else if (!skipScalar()) {
                return false;
            }
            // A value ended here, and maybe those around it.
            while (isClosed) {
                if (maskedAt > 0 && maskedAt == open.length) {
                    copied = at;
                    maskedAt = 0;
                }
                if (open.length == 0) break;
                skipSpace();
                if (skip(',')) {
                    skipSpace();
                    break;
                }
                if (!skip(closing(open[][$ - 1]))) return false;
                open.drop();
            }
            // A member begins with its name.
            if (open.length > 0 && open[][$ - 1] == '{') {
                name.clear();
                if (!skipString(&name)) return false;
                skipSpace();
                if (!skip(':')) return false;
                skipSpace();
                if (maskedAt == 0 && isMasked(name[])) {
                    output.put(text[copied .. at]);
                    output.put(`"***"`);
                    maskedAt = open.length;
                }
            }
        }
        while (open.length > 0);
        skipSpace();
        output.put(text[copied .. $]);
        return at == text.length;
    }

    /// NUL, which is nowhere in JSON, behind the end.
    char letter() { return at < text.length ? text[at] : '\0'; }

    bool skip(char expected) {
        if (letter != expected) return false;
        ++at;
        return true;
    }

    bool skip(string word) {
        if (text.length - at < word.length || text[at .. at + word.length] != word) return false;
        at += word.length;
        return true;
    }

    void skipSpace() {
        while (letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t') ++at;
    }

    bool skipDigits() {
        const from = at;
        while ('0' <= letter && letter <= '9') ++at;
        return from < at;
    }

    bool skipNumber() {
        skip('-');
        if (!skip('0') && !skipDigits()) return false;
        if (skip('.') && !skipDigits()) return false;
        if (letter != 'e' && letter != 'E') return true;
        ++at;
        if (!skip('+')) skip('-');
        return skipDigits();
    }

    /// A value that is no list and no object.
    bool skipScalar() {
        if (letter == '"') return skipString(null);
        return skip("true") || skip("false") || skip("null") || skipNumber();
    }

    /// A string; what it means is added where that is asked for.
    bool skipString(Text* meaning) {
        if (!skip('"')) return false;
        while (letter != '"') {
            char it = letter;
            if (it < ' ') return false;
            ++at;
            if (it == '\\') {
                const escape = letter;
                ++at;
                switch (escape) {
                case '"', '\\', '/': it = escape; break;
                case 'b': it = '\b'; break;
                case 'f': it = '\f'; break;
                case 'n': it = '\n'; break;
                case 'r': it = '\r'; break;
                case 't': it = '\t'; break;
                case 'u':
                    const unit = readUnit();
                    if (unit < 0) return false;
                    if (meaning) addUnits(*meaning, unit);
                    continue;
                default: return false;
                }
            }
            if (meaning) meaning.put(it);
        }
        ++at;
        return true;
    }

    /// Four digits of an escape; -1 where they are none.
    int readUnit() {
        int unit;
        foreach (_; 0 .. 4) {
            const it = letter;
            const lower = it | 0x20;
            if ('0' <= it && it <= '9') {
                unit = unit << 4 | it - '0';
            } else if ('a' <= lower && lower <= 'f') {
                unit = unit << 4 | lower - 'a' + 10;
            } else {
                return -1;
            }
            ++at;
        }
        return unit;
    }

    /// The letter of one escape, or of a pair.
    void addUnits(ref Text meaning, int unit) {
        if (0xd800 <= unit && unit < 0xdc00) {
            const before = at;
            const second = skip(`\u`) ? readUnit() : -1;
            if (0xdc00 <= second && second < 0xe000) {
                unit = 0x10000 + (unit - 0xd800 << 10) + (second - 0xdc00);
            } else {
                at = before;
            }
        }
        if (unit < 0x80) return meaning.put(cast(char) unit);
        if (unit < 0x800) {
            meaning.put(cast(char)(0xc0 | unit >> 6));
        } else {
            if (unit < 0x10000) {
                meaning.put(cast(char)(0xe0 | unit >> 12));
            } else {
                meaning.put(cast(char)(0xf0 | unit >> 18));
                meaning.put(cast(char)(0x80 | unit >> 12 & 0x3f));
            }
            meaning.put(cast(char)(0x80 | unit >> 6 & 0x3f));
        }
        meaning.put(cast(char)(0x80 | unit & 0x3f));
    }
}

char closing(char opening) { return opening == '{' ? '}' : ']'; }

/// Whether the bytes are UTF-8.
bool isText(const(char)[] bytes) {
    for (size_t at; at < bytes.length;) {
        const first = bytes[at++];
        if (first < 0x80) continue;
        if (first < 0xc2 || 0xf4 < first) return false;
        const more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (bytes.length - at < more) return false;
        // What would be too long, a half of a pair, or no letter.
        const second = bytes[at];
        const low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        const high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (second < low || high < second) return false;
        foreach (it; bytes[at + 1 .. at + more]) {
            if ((it & 0xc0) != 0x80) return false;
        }
        at += more;
    }
    return true;
}
