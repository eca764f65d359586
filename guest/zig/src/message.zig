//! The message that a guest has before it.
const std = @import("std");
const host = @import("host.zig");

const Allocator = std.mem.Allocator;

/// So many bytes are set aside for an answer of the host whose length is not known; a longer one is asked for again.
const first_room = 128;

/// The message that `process` is called for. There is one for all messages, which is over when `process` returns: keep
/// what you read of it in memory of your own, and not the message.
pub const Message = struct {
    /// Memory for this message alone: all of it is free again when `process` has returned. What the functions below give
    /// you lies there. Its room stays from message to message.
    arena: Allocator,

    /// The content, which may be any bytes. They are yours: to change the message, give it others with `setContent`.
    /// Content that is never read is never copied into the guest.
    pub fn content(m: *Message) Allocator.Error![]u8 {
        const bytes = try m.arena.alloc(u8, host.contentLen());
        return bytes[0..host.contentRead(0, bytes.ptr, lenOf(bytes))];
    }

    /// The content as text. What is not UTF-8 fails the message, with a reason that says so, when you pass the error on.
    pub fn text(m: *Message) (Allocator.Error || error{Failed})![]u8 {
        const bytes = try m.content();
        if (!std.unicode.utf8ValidateSlice(bytes)) return m.failed("the content is not UTF-8", .{});
        return bytes;
    }

    /// The length of the content, which is not read for it.
    pub fn contentLen(_: *Message) usize {
        return host.contentLen();
    }

    /// Replaces the content by a copy of these bytes.
    pub fn setContent(_: *Message, bytes: []const u8) void {
        host.contentWrite(bytes.ptr, lenOf(bytes));
    }

    /// A value of the metadata as text, or null where the key is missing, which is something else than empty. What is
    /// not text is given as it is printed: a number by its digits, a list or an object as JSON. It may be any bytes.
    pub fn meta(m: *Message, key: []const u8) Allocator.Error!?[]u8 {
        if (!isKey(key)) return null;
        return read(m.arena, host.metaGet, .{ key.ptr, lenOf(key) });
    }

    /// A value of the metadata as JSON, which tells 5 and "5" apart; null where the key is missing.
    pub fn metaJson(m: *Message, key: []const u8) Allocator.Error!?[]u8 {
        if (!isKey(key)) return null;
        return read(m.arena, host.metaGetJson, .{ key.ptr, lenOf(key) });
    }

    /// Whether there is such a key.
    pub fn hasMeta(_: *Message, key: []const u8) bool {
        var nowhere: [0]u8 = undefined;
        return isKey(key) and host.metaGet(key.ptr, lenOf(key), &nowhere, 0) != host.absent;
    }

    /// Sets a key to text, which may be any bytes. The key is UTF-8, here and below.
    pub fn setMeta(_: *Message, key: []const u8, value: []const u8) error{KeyNotUtf8}!void {
        if (!isKey(key)) return error.KeyNotUtf8;
        host.metaSet(key.ptr, lenOf(key), value.ptr, lenOf(value));
    }

    /// Sets a key to a value with its type: a number, true, a struct, a list, as `std.json` writes them. A number that
    /// JSON cannot say, an infinity or NaN, becomes null.
    pub fn setMetaValue(m: *Message, key: []const u8, value: anytype) (Allocator.Error || error{KeyNotUtf8})!void {
        var buffer: [40]u8 = undefined;
        switch (@typeInfo(@TypeOf(value))) {
            .bool => return m.setMetaJson(key, if (value) "true" else "false"),
            .int, .comptime_int => if (std.fmt.bufPrint(&buffer, "{d}", .{value})) |digits| {
                return m.setMetaJson(key, digits);
            } else |_| {},
            .float, .comptime_float => if (!std.math.isFinite(@as(f64, value))) return m.setMetaJson(key, "null"),
            else => {},
        }
        return m.setMetaJson(key, try std.json.Stringify.valueAlloc(m.arena, value, .{}));
    }

    /// Sets a key to the value that this JSON says. What is not JSON is a mistake that costs the instance.
    pub fn setMetaJson(_: *Message, key: []const u8, json: []const u8) error{KeyNotUtf8}!void {
        if (!isKey(key)) return error.KeyNotUtf8;
        host.metaSetJson(key.ptr, lenOf(key), json.ptr, lenOf(json));
    }

    /// Removes a key, and says whether it was there.
    pub fn deleteMeta(_: *Message, key: []const u8) bool {
        return isKey(key) and host.metaDelete(key.ptr, lenOf(key)) == 1;
    }

    /// The keys that there are now, in order.
    pub fn metaKeys(m: *Message) Allocator.Error!Keys {
        return .{ .rest = try read(m.arena, host.metaKeys, .{}) orelse &.{} };
    }

    /// A value of the processor's field `config`, in the message's memory, or null. `wappa.config` gives one that lasts.
    pub fn config(m: *Message, key: []const u8) Allocator.Error!?[]u8 {
        if (!isKey(key)) return null;
        return read(m.arena, host.configGet, .{ key.ptr, lenOf(key) });
    }

    /// The error mark of a message that failed before it came here, or null.
    pub fn errorMark(m: *Message) Allocator.Error!?[]u8 {
        return read(m.arena, host.errorGet, .{});
    }

    /// Removes the error mark.
    pub fn clearError(_: *Message) void {
        host.errorClear();
    }

    /// Sends the message as it stands, and goes on with a copy of it: one in, many out.
    pub fn emit(_: *Message) void {
        host.emit();
    }

    /// The message is not sent when `process` returns; what was emitted is.
    pub fn filter(_: *Message) void {
        host.filter();
    }

    /// The message goes on as it came in, marked with this reason, whatever else is done to it. The last reason counts.
    pub fn fail(_: *Message, reason: []const u8) void {
        host.fail(reason.ptr, lenOf(reason));
    }

    /// Fails the message with a reason, and gives the error to return:
    ///
    ///     if (n > max) return m.failed("{d} is more than {d}", .{ n, max });
    pub fn failed(m: *Message, comptime format: []const u8, arguments: anytype) error{Failed} {
        if (std.fmt.allocPrint(m.arena, format, arguments)) |reason| m.fail(reason) else |_| m.fail(format);
        return error.Failed;
    }

    /// The same, with the place in the source behind the reason: `return m.failedAt(@src(), "no amount", .{})`.
    pub fn failedAt(
        m: *Message,
        comptime place: std.lang.SourceLocation,
        comptime format: []const u8,
        arguments: anytype,
    ) error{Failed} {
        return m.failed(format ++ std.fmt.comptimePrint(", at {s}:{d}", .{ place.file, place.line }), arguments);
    }

    /// Which one it is in its batch, from 0.
    pub fn index(_: *Message) usize {
        return host.batchIndex();
    }

    /// How many messages its batch has.
    pub fn batchLen(_: *Message) usize {
        return host.batchLen();
    }
};

/// A walk over keys: `while (keys.next()) |key| …`.
pub const Keys = struct {
    /// Each key is its length, 32 bits in little-endian order, and its bytes.
    rest: []const u8,

    pub fn next(keys: *Keys) ?[]const u8 {
        if (keys.rest.len < 4) return null;
        const end = 4 + std.mem.readInt(u32, keys.rest[0..4], .little);
        defer keys.rest = keys.rest[end..];
        return keys.rest[4..end];
    }
};

/// Asks the host once, or twice where the answer did not fit.
pub fn read(allocator: Allocator, comptime function: anytype, question: anytype) Allocator.Error!?[]u8 {
    var room = try allocator.alloc(u8, first_room);
    var len = @call(.auto, function, question ++ .{ room.ptr, lenOf(room) });
    if (len == host.absent) {
        allocator.free(room);
        return null;
    }
    if (room.len < len) {
        allocator.free(room);
        room = try allocator.alloc(u8, len);
        len = @call(.auto, function, question ++ .{ room.ptr, lenOf(room) });
    }
    return try allocator.realloc(room, len);
}

/// A key that the host accepts. It would end the instance for another one.
pub fn isKey(key: []const u8) bool {
    return std.unicode.utf8ValidateSlice(key);
}

/// A length for the host. One that does not fit, on a machine of 64 bits, is a mistake of the test.
pub fn lenOf(bytes: []const u8) u32 {
    return @intCast(bytes.len);
}
