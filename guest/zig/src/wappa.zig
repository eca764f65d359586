//! What a guest written in Zig needs to be a `wasm` processor of Wappa.
//!
//!     const std = @import("std");
//!     const wappa = @import("wappa");
//!
//!     pub fn process(m: *wappa.Message) !void {
//!         const content = try m.content();
//!         m.setContent(try std.mem.concat(m.arena, u8, &.{ content, "!" }));
//!     }
//!
//! `process` is called for each message. An error that it returns fails the message with the error's name, and no other
//! message; `m.failed` says more. Besides, a guest may have
//!
//!  - `pub fn init() !void`, called once for each instance before its first message. An error keeps the stream from
//!    starting;
//!  - `pub fn close() void`, called when an instance is given up in good health.
const std = @import("std");
const builtin = @import("builtin");
const host = @import("host.zig");
const message = @import("message.zig");

pub const Message = message.Message;
pub const Keys = message.Keys;

/// A host for tests, without WebAssembly.
pub const testing = @import("testing.zig");

const Allocator = std.mem.Allocator;

/// Memory that lives as long as the instance does.
pub const allocator: Allocator = if (builtin.cpu.arch.isWasm()) std.heap.wasm_allocator else testing.lasting;

/// How much of a line of the log the host keeps.
const line_bytes_max = 4096;

/// A value of the processor's field `config`, or null. It lives as long as the instance.
pub fn config(key: []const u8) Allocator.Error!?[]u8 {
    if (!message.isKey(key)) return null;
    return message.read(allocator, host.configGet, .{ key.ptr, message.lenOf(key) });
}

/// How much a line of the log matters.
pub const Level = enum(u32) { trace, debug, info, warn, err };

/// Writes a line to the log of the stream, under the processor's label. What is longer than 4 KiB is cut.
pub fn log(level: Level, comptime format: []const u8, arguments: anytype) void {
    var line: [line_bytes_max]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&line);
    // It fails when the line is full.
    writer.print(format, arguments) catch {};
    const text = writer.buffered();
    host.log(@backingInt(level), text.ptr, message.lenOf(text));
}

/// What makes `std.log` the log of the stream. It is set unless the guest has `std_options` of its own.
pub fn logFn(
    comptime level: std.log.Level,
    comptime scope: @EnumLiteral(),
    comptime format: []const u8,
    arguments: anytype,
) void {
    const in_scope = if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ";
    log(@field(Level, @tagName(level)), in_scope ++ format, arguments);
}

/// Adds to the counter `wasm_guest_<name>` of the processor. A name has ASCII letters, digits and `_`, at most 64 of
/// them, which is looked at when the guest is compiled.
pub fn count(comptime name: []const u8, delta: u63) void {
    comptime {
        var is_name = 0 < name.len and name.len <= 64;
        for (name) |letter| is_name = is_name and (std.ascii.isAlphanumeric(letter) or letter == '_');
        if (!is_name) @compileError("`" ++ name ++ "` is no name for a counter: ASCII letters, digits and `_`, 1 to 64 of them");
    }
    host.counterAdd(name.ptr, name.len, delta);
}

/// The time in nanoseconds since 1970.
pub fn now() i64 {
    return host.now();
}

/// Fills the bytes with random ones.
pub fn random(bytes: []u8) void {
    host.random(bytes.ptr, message.lenOf(bytes));
}

/// Exports what the host calls: `process`, and `init` and `close` where there are some. The package's build does it.
pub fn exportGuest(comptime guest: type) void {
    if (!@hasDecl(guest, "process")) {
        @compileError("the guest has no `pub fn process(m: *wappa.Message) !void`");
    }
    exportFunction("process", guest.process);
    if (@hasDecl(guest, "init")) @export(&initOf(guest).init, .{ .name = "wappa_init" });
    if (@hasDecl(guest, "close")) {
        const closing = struct {
            fn close() callconv(.c) void {
                guest.close();
            }
        };
        @export(&closing.close, .{ .name = "wappa_close" });
    }
}

/// Exports a function under another name than `process`, for a module that has several; the processor's field `function`
/// chooses among them:
///
///     comptime {
///         wappa.exportFunction("shout", shout);
///     }
pub fn exportFunction(comptime name: []const u8, comptime function: anytype) void {
    const exported = struct {
        fn run() callconv(.c) void {
            serve(function);
        }
    };
    // Tests call it by itself.
    if (builtin.cpu.arch.isWasm()) @export(&exported.run, .{ .name = name });
}

/// The messages' memory. What it has grown to stays, so that messages like those before ask for no more.
var arena: std.heap.ArenaAllocator = .init(if (builtin.cpu.arch.isWasm()) std.heap.wasm_allocator else std.heap.page_allocator);
var current: Message = undefined;

/// Works through the messages of one call.
pub fn serve(comptime function: anytype) void {
    current = .{ .arena = arena.allocator() };
    while (true) {
        handle(function);
        const more = host.next();
        _ = arena.reset(.retain_capacity);
        if (more != 1) return;
    }
}

fn handle(comptime function: anytype) void {
    const is_fallible = @typeInfo(@typeInfo(@TypeOf(function)).@"fn".return_type.?) == .error_union;
    if (!is_fallible) return function(&current);
    function(&current) catch |err| {
        // The guest said why.
        if (@as(anyerror, err) == error.Failed) return;
        const reason: []const u8 = if (@as(anyerror, err) == error.OutOfMemory) "out of memory" else @errorName(err);
        host.fail(reason.ptr, message.lenOf(reason));
    };
}

/// The start of a guest: 0 when it went well. The reason why it did not is the last error in the log.
pub fn initOf(comptime guest: type) type {
    return struct {
        pub fn init() callconv(.c) u32 {
            if (!@hasDecl(guest, "init")) return 0;
            const is_fallible = @typeInfo(@typeInfo(@TypeOf(guest.init)).@"fn".return_type.?) == .error_union;
            if (!is_fallible) {
                guest.init();
                return 0;
            }
            guest.init() catch |err| {
                if (@as(anyerror, err) != error.Failed) log(.err, "the guest does not start: {s}", .{@errorName(err)});
                return 1;
            };
            return 0;
        }
    };
}

/// Gives the reason why the guest does not start, and the error to return from `init`.
pub fn refuse(comptime format: []const u8, arguments: anytype) error{Failed} {
    log(.err, format, arguments);
    return error.Failed;
}

/// What a panic does: its text is the reason why the message failed, and the instance is lost.
pub fn panicked(text: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    log(.err, "panic: {s}", .{text});
    @trap();
}
