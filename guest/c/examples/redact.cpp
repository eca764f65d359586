// Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
// text `***`. What is not a JSON object fails.
//
// The JSON is checked and copied in one walk without recursion, so that its depth is bounded by memory alone. All that
// is not replaced stays as it was written.
#include "wappa.hpp"

#include <algorithm>
#include <cstring>

static std::vector<std::string> fields;

static const char *read_config() {
    fields.clear();
    const std::string list = wappa::config("fields").value_or("password,email");
    for (size_t at = 0; at < list.size();) {
        size_t end = std::min(list.find(',', at), list.size());
        if (end > at) fields.push_back(list.substr(at, end - at));
        at = end + 1;
    }
    return nullptr;
}
WAPPA_INIT(read_config)

static bool is_masked(const std::string &name) {
    for (const std::string &field : fields) {
        if (field == name) return true;
    }
    return false;
}

namespace {

// Reads JSON from its beginning. Each function says whether what it was to read is there.
class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}

    size_t at() const { return at_; }
    bool is_at_end() const { return at_ == text_.size(); }

    // What comes next; a NUL, which no rule accepts, at the end.
    char next() const { return is_at_end() ? '\0' : text_[at_]; }

    bool skip(char letter) {
        if (is_at_end() || text_[at_] != letter) return false;
        at_++;
        return true;
    }

    void skip_space() {
        while (!is_at_end() && std::strchr(" \t\n\r", text_[at_]) != nullptr && text_[at_] != '\0') at_++;
    }

    bool skip_scalar() {
        std::string text;
        switch (next()) {
        case '"':
            return read_string(text);
        case 't':
            return skip_word("true");
        case 'f':
            return skip_word("false");
        case 'n':
            return skip_word("null");
        default:
            return skip_number();
        }
    }

    // Reads a string of JSON and what it means. That it is UTF-8 was checked before.
    bool read_string(std::string &text) {
        text.clear();
        if (!skip('"')) return false;
        while (!skip('"')) {
            if (is_at_end() || static_cast<unsigned char>(next()) < 0x20) return false;
            if (skip('\\')) {
                if (!read_escape(text)) return false;
            } else {
                text += text_[at_++];
            }
        }
        return true;
    }

  private:
    bool skip_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) return false;
        at_ += word.size();
        return true;
    }

    bool skip_digits() {
        size_t first = at_;
        while (next() >= '0' && next() <= '9') at_++;
        return at_ > first;
    }

    bool skip_number() {
        skip('-');
        if (!skip('0') && !skip_digits()) return false;
        if (skip('.') && !skip_digits()) return false;
        if (skip('e') || skip('E')) {
            if (!skip('+')) skip('-');
            return skip_digits();
        }
        return true;
    }

    // After the backslash.
    bool read_escape(std::string &text) {
        static const std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        if (skip('u')) return read_letter(text);
        size_t which = letters.find(next());
        if (is_at_end() || which == std::string_view::npos) return false;
        text += meanings[which];
        at_++;
        return true;
    }

    // After `\u`.
    bool read_letter(std::string &text) {
        unsigned letter = 0, low = 0;
        if (!read_hex(letter)) return false;
        // Half of a pair alone is JSON all the same; in no field's name it has an equal.
        if (letter >> 10 == 0xD800 >> 10 && text_.substr(at_, 2) == "\\u") {
            const size_t second = at_;
            at_ += 2;
            if (!read_hex(low)) return false;
            if (low >> 10 == 0xDC00 >> 10) {
                letter = 0x10000 + ((letter & 0x3FF) << 10 | (low & 0x3FF));
            } else {
                at_ = second;
            }
        }
        add_letter(text, letter);
        return true;
    }

    bool read_hex(unsigned &unit) {
        for (int i = 0; i < 4; i++, at_++) {
            const char letter = next(), lower = static_cast<char>(letter | 0x20);
            if (letter >= '0' && letter <= '9') {
                unit = unit << 4 | static_cast<unsigned>(letter - '0');
            } else if (lower >= 'a' && lower <= 'f') {
                unit = unit << 4 | static_cast<unsigned>(lower - 'a' + 10);
            } else {
                return false;
            }
        }
        return true;
    }

    static void add_letter(std::string &text, unsigned letter) {
        const auto add = [&](unsigned byte) { text += static_cast<char>(byte); };
        if (letter < 0x80) return add(letter);
        if (letter < 0x800) {
            add(0xC0 | letter >> 6);
        } else if (letter < 0x10000) {
            add(0xE0 | letter >> 12);
        } else {
            add(0xF0 | letter >> 18);
            add(0x80 | (letter >> 12 & 0x3F));
        }
        if (letter >= 0x800) add(0x80 | (letter >> 6 & 0x3F));
        add(0x80 | (letter & 0x3F));
    }

    std::string_view text_;
    size_t at_ = 0;
};

} // namespace

// The object with its fields masked; none when the text is no object.
static std::optional<std::string> redacted(std::string_view text) {
    Reader reader(text);
    std::string output, open, name;   // `open`: the brackets that are open.
    size_t copied = 0, masked_at = 0; // How many brackets were open when the value began that is masked; 0: none is.
    reader.skip_space();
    if (reader.next() != '{') return std::nullopt;
    do {
        // A value begins here.
        const char first = reader.next();
        bool is_closed = true;
        if (first == '{' || first == '[') {
            reader.skip(first);
            reader.skip_space();
            is_closed = reader.skip(first == '{' ? '}' : ']');
            if (!is_closed) open += first;
        } else if (!reader.skip_scalar()) {
            return std::nullopt;
        }
        // A value ended here, and maybe those around it.
        while (is_closed) {
            if (masked_at == open.size()) {
                if (masked_at > 0) copied = reader.at();
                masked_at = 0;
            }
            if (open.empty()) break;
            reader.skip_space();
            if (reader.skip(',')) {
                reader.skip_space();
                break;
            }
            if (!reader.skip(open.back() == '{' ? '}' : ']')) return std::nullopt;
            open.pop_back();
        }
        // A member begins with its name.
        if (!open.empty() && open.back() == '{') {
            if (!reader.read_string(name)) return std::nullopt;
            reader.skip_space();
            if (!reader.skip(':')) return std::nullopt;
            reader.skip_space();
            if (masked_at == 0 && is_masked(name)) {
                output += text.substr(copied, reader.at() - copied);
                output += "\"***\"";
                masked_at = open.size();
            }
        }
    } while (!open.empty());
    reader.skip_space();
    output += text.substr(copied, reader.at() - copied);
    return reader.is_at_end() ? std::optional(output) : std::nullopt;
}

static void redact() {
    const std::string content = wappa::content();
    std::optional<std::string> output;
    if (wappa::is_utf8(content)) output = redacted(content);
    if (output) {
        wappa::set_content(*output);
    } else {
        wappa::fail("not a JSON object");
    }
}
WAPPA_PROCESSOR(redact)
