/// All that a guest in D needs: the functions of the host (interface v1), and little around them. Copy this file.
///
/// ---
/// import wappa;
///
/// mixin Guest!shout;
///
/// void shout(Message m) {
///     if (m.contentLen == 0) return m.fail("nothing to shout");
///     m.content = m.content ~ Text("!");
/// }
/// ---
///
/// It is for `-betterC`: there is no collector, no exceptions and no C library. What is allocated for a message is free
/// when the next one comes. An index out of bounds or a failed `assert` costs the message and the instance, and says where.
module wappa;

import ldc.attributes : llvmAttr;
import ldc.intrinsics : llvm_memcpy, llvm_trap;

nothrow @nogc:

/// The message that the host is at.
struct Message {
nothrow @nogc:
    size_t contentLen() { return v1_content_len(); }

    /// Any bytes, which are yours. What is never read is never copied.
    char[] content() {
        char[] bytes = allocate(v1_content_len());
        return bytes[0 .. v1_content_read(0, bytes.ptr, bytes.length)];
    }

    void content(scope const(char)[] bytes) { v1_content_write(bytes.ptr, bytes.length); }

    /// The value as text; null where there is no such key.
    char[] meta(scope const(char)[] key) { return whole!((at, room) => v1_meta_get(key.ptr, key.length, at, room)); }

    /// The value with its type: `5` is a number, `"5"` a text.
    char[] metaJson(scope const(char)[] key) {
        return whole!((at, room) => v1_meta_get_json(key.ptr, key.length, at, room));
    }

    void setMeta(scope const(char)[] key, scope const(char)[] value) {
        v1_meta_set(key.ptr, key.length, value.ptr, value.length);
    }

    void setMetaJson(scope const(char)[] key, scope const(char)[] json) {
        v1_meta_set_json(key.ptr, key.length, json.ptr, json.length);
    }

    bool deleteMeta(scope const(char)[] key) { return v1_meta_delete(key.ptr, key.length) == 1; }

    /// All keys, in order.
    Keys metaKeys() { return Keys(whole!((at, room) => v1_meta_keys(at, room))); }

    /// The mark of a message that failed before; null where there is none.
    char[] error() { return whole!((at, room) => v1_error_get(at, room)); }

    void clearError() { v1_error_clear(); }

    /// Sends the message as it stands, and goes on with a copy.
    void emit() { v1_emit(); }

    /// The message is not sent.
    void filter() { v1_filter(); }

    /// The message goes on as it came in, with this reason alone.
    void fail(scope const(char)[] reason) { v1_fail(reason.ptr, reason.length); }

    size_t index() { return v1_batch_index(); }
    size_t batchLen() { return v1_batch_len(); }
}

/// Keys of metadata, one after the other.
struct Keys {
nothrow @nogc:
    private char[] packed;

    bool empty() { return packed.length == 0; }
    char[] front() { return packed[4 .. 4 + length]; }
    void popFront() {
        packed = packed[4 + length .. $];
    }

    // Each is a length of four bytes, the lowest first, and its letters.
    private size_t length() { return packed[0] | packed[1] << 8 | packed[2] << 16 | packed[3] << 24; }
}

enum Level {
    trace,
    debug_,
    info,
    warn,
    error,
}

/// A value of the processor's field `config`; null where there is none.
char[] config(scope const(char)[] key) { return whole!((at, room) => v1_config_get(key.ptr, key.length, at, room)); }

void log(Level level, scope const(char)[] text) { v1_log(level, text.ptr, text.length); }

void count(scope const(char)[] name, long n = 1) { v1_counter_add(name.ptr, name.length, n); }

/// Nanoseconds since 1970.
long now() { return v1_now(); }

/// Before the first message: the stream does not start, and says why.
void refuse(scope const(char)[] reason) {
    log(Level.error, reason);
    llvm_trap();
}

/// Text that grows, in the memory of the message.
struct Text {
nothrow @nogc:
    private char[] room;
    private size_t len;

    this(scope const(char)[] text) {
        put(text);
    }

    void put(scope const(char)[] text) {
        if (room.length - len < text.length) {
            char[] larger = allocate(2 * (len + text.length));
            larger[0 .. len] = room[0 .. len];
            room = larger;
        }
        room[len .. len + text.length] = text;
        len += text.length;
    }

    void put(char letter) {
        const(char)[1] text = letter;
        put(text[]);
    }

    /// In decimal.
    void put(size_t number) {
        char[20] digits;
        size_t at = digits.length;
        do {
            digits[--at] = cast(char)('0' + number % 10);
            number /= 10;
        }
        while (number > 0);
        put(digits[at .. $]);
    }

    void clear() {
        len = 0;
    }

    /// Without the last letter.
    void drop() {
        --len;
    }

    size_t length() { return len; }
    char[] opSlice() { return room[0 .. len]; }
}

/// What the host calls: `process` for each message, and `init`, where there is one, before the first. What `init`
/// allocates stays.
mixin template Guest(alias process, alias init = null) {
    import ldc.attributes : assumeUsed;

    pragma(mangle, "process") export extern (C) @assumeUsed void wappaProcess() nothrow @nogc {
        serve!process();
    }

    pragma(mangle, "wappa_init") export extern (C) @assumeUsed int wappaInit() nothrow @nogc {
        static if (!is(typeof(init) == typeof(null))) init();
        keep();
        return 0;
    }
}

/// Takes all messages that are ready through the function.
void serve(alias process)() {
    do {
        process(Message());
        free = kept;
    }
    while (v1_next() == 1);
}

/// What was allocated until now stays.
void keep() {
    kept = free;
}

/// Bytes in the memory of the message.
char[] allocate(size_t len) {
    if (free is null) free = &__heap_base;
    const end = cast(size_t) free + len;
    const pages = (end >> 16) + 1;
    const there = memorySize(0);
    if (end < len || there < pages && memoryGrow(0, cast(int)(pages - there)) == -1) {
        log(Level.error, "out of memory");
        llvm_trap();
    }
    char* at = free;
    free += len;
    return at[0 .. len];
}

private:

/// The first byte behind what the linker placed.
extern (C) extern __gshared char __heap_base;
__gshared char* free, kept;

/// What is read into a place with some room, in two calls where it is longer: the first one says how long it is.
char[] whole(alias read)() {
    char[] text = allocate(64);
    int len = read(text.ptr, text.length);
    if (len == -1) return null;
    if (text.length < len) {
        text = allocate(len);
        read(text.ptr, text.length);
    }
    return text[0 .. len];
}

pragma(LDC_intrinsic, "llvm.wasm.memory.size.i32") int memorySize(int memory);
pragma(LDC_intrinsic, "llvm.wasm.memory.grow.i32") int memoryGrow(int memory, int pages);

@llvmAttr("wasm-import-module", "wappa") extern (C) {
    int v1_content_len();
    int v1_content_read(int offset, char* at, size_t room);
    void v1_content_write(const char* at, size_t len);
    int v1_meta_get(const char* key, size_t keyLen, char* at, size_t room);
    int v1_meta_get_json(const char* key, size_t keyLen, char* at, size_t room);
    void v1_meta_set(const char* key, size_t keyLen, const char* at, size_t len);
    void v1_meta_set_json(const char* key, size_t keyLen, const char* at, size_t len);
    int v1_meta_delete(const char* key, size_t keyLen);
    int v1_meta_keys(char* at, size_t room);
    int v1_error_get(char* at, size_t room);
    void v1_error_clear();
    void v1_emit();
    void v1_filter();
    void v1_fail(const char* at, size_t len);
    int v1_next();
    int v1_batch_index();
    int v1_batch_len();
    int v1_config_get(const char* key, size_t keyLen, char* at, size_t room);
    void v1_log(int level, const char* at, size_t len);
    void v1_counter_add(const char* name, size_t len, long delta);
    long v1_now();
}

/// What checks of the compiler call.
pragma(mangle, "__assert") extern (C) void failed(const char* what, const char* file, int line) {
    static char[] text(const char* at) {
        size_t len;
        while (at[len] != 0) ++len;
        return (cast(char*) at)[0 .. len];
    }

    Text reason;
    reason.put(text(what));
    reason.put(", at ");
    reason.put(text(file));
    reason.put(":");
    reason.put(cast(size_t) line);
    log(Level.error, reason[]);
    llvm_trap();
}

/// What the compiler makes of `a[] = b[]`.
pragma(mangle, "_d_array_slice_copy") extern (C) void copy(void* to, size_t n, const void* from, size_t m, size_t size) {
    assert(n == m, "the lengths of two slices differ");
    llvm_memcpy(to, from, n * size);
}

/// What the compiler makes of comparisons.
pragma(mangle, "memcmp") extern (C) int compare(const(ubyte)* a, const(ubyte)* b, size_t len) {
    foreach (at; 0 .. len) {
        if (a[at] != b[at]) return a[at] - b[at];
    }
    return 0;
}
