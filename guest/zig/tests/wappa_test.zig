//! What a guest can call, on the mock host.
const std = @import("std");
const wappa = @import("wappa");

const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectEqualStrings = std.testing.expectEqualStrings;
const Host = wappa.testing.Host;

fn filled(comptime len: usize, comptime byte: u8) [len]u8 {
    return @splat(byte);
}

fn oneOut(out: []const []const wappa.testing.Out) !wappa.testing.Out {
    try expectEqual(1, out.len);
    try expectEqual(1, out[0].len);
    return out[0][0];
}

test "an error fails its message with its name, and no other" {
    const guest = struct {
        pub fn process(m: *wappa.Message) !void {
            const content = try m.content();
            m.setContent("changed");
            m.emit();
            if (content.len == 0) return error.NothingToDo;
        }
    };
    var host = try Host.start(guest, &.{});
    defer host.deinit();
    const out = try host.process(&.{ .{ .content = "a" }, .{}, .{ .content = "b" } });
    try expectEqual(2, out[0].len);
    try expectEqual(1, out[1].len);
    try expectEqualStrings("NothingToDo", out[1][0].err.?);
    try expectEqualStrings("", out[1][0].content);
    try expectEqual(2, out[2].len);
    try expectEqualStrings("changed", out[2][1].content);
    try expectEqual(null, out[2][1].err);
}

test "reasons with text, and with a place" {
    const guest = struct {
        pub fn process(m: *wappa.Message) !void {
            const content = try m.text();
            if (content.len == 1) return m.failed("{s} is too short for {d}", .{ content, 2 });
            if (content.len == 2) return m.failedAt(@src(), "100 % of {d}", .{2});
            m.fail("the first");
            m.fail("the last");
            m.filter();
        }
    };
    var host = try Host.start(guest, &.{});
    defer host.deinit();
    const out = try host.process(&.{ .{ .content = "a" }, .{ .content = "ab" }, .{ .content = "abc" }, .{ .content = "\xff" } });
    try expectEqualStrings("a is too short for 2", out[0][0].err.?);
    try expect(std.mem.startsWith(u8, out[1][0].err.?, "100 % of 2, at wappa_test.zig:"));
    try expectEqualStrings("the last", out[2][0].err.?);
    try expectEqualStrings("abc", out[2][0].content);
    try expectEqualStrings("the content is not UTF-8", out[3][0].err.?);
}

test "metadata with their types" {
    const guest = struct {
        pub fn process(m: *wappa.Message) !void {
            try expectEqualStrings("3", (try m.meta("n")).?);
            try expectEqualStrings("3", (try m.metaJson("n")).?);
            try expectEqualStrings("\"v\"", (try m.metaJson("k")).?);
            try expectEqual(null, try m.meta("missing"));
            try expectEqualStrings("", (try m.meta("empty")).?);
            try expect(m.hasMeta("empty") and !m.hasMeta("missing") and !m.hasMeta("\xff"));
            try std.testing.expectError(error.KeyNotUtf8, m.setMeta("\xff", ""));
            try expect(m.deleteMeta("k") and !m.deleteMeta("k"));
            try m.setMetaValue("int", -7);
            try m.setMetaValue("u64", @as(u64, std.math.maxInt(u64)));
            try m.setMetaValue("float", 1.5);
            try m.setMetaValue("nan", std.math.nan(f64));
            try m.setMetaValue("true", true);
            try m.setMetaValue("list", &[_]u8{ 1, 2 });
            try m.setMetaValue("struct", .{ .a = "b" });
            try m.setMetaJson("text", "\"quoted\"");
            try m.setMeta("bytes", &filled(1000, 0xff));
            try expectEqual(1000, (try m.meta("bytes")).?.len);
            var names: std.ArrayList(u8) = .empty;
            var keys = try m.metaKeys();
            while (keys.next()) |it| try names.print(m.arena, "{s} ", .{it});
            try m.setMeta("keys", names.items);
        }
    };
    var host = try Host.start(guest, &.{});
    defer host.deinit();
    const out = try oneOut(try host.process(&.{.{ .metadata = &.{
        .{ .key = "n", .value = .{ .json = " 3 " } },
        .{ .key = "k", .value = .{ .text = "v" } },
        .{ .key = "empty", .value = .{ .text = "" } },
    } }}));
    try expectEqual(null, out.err);
    try expectEqualStrings("-7", out.meta("int").?);
    try expectEqualStrings("18446744073709551615", out.meta("u64").?);
    try expectEqualStrings("1.5", out.meta("float").?);
    try expectEqualStrings("null", out.meta("nan").?);
    try expectEqualStrings("true", out.meta("true").?);
    try expectEqualStrings("{\"a\":\"b\"}", out.meta("struct").?);
    try expectEqualStrings("quoted", out.meta("text").?);
    try expectEqual(null, out.meta("k"));
    try expectEqualStrings("bytes empty float int list n nan struct text true u64 ", out.meta("keys").?);
}

test "config, log, counters, time and random bytes" {
    const guest = struct {
        var mark: []const u8 = "";
        var is_closed = false;

        pub fn init() !void {
            mark = try wappa.config("mark") orelse "!";
            try expectEqual(null, try wappa.config("missing"));
            wappa.log(.info, "the mark is {s}", .{mark});
        }

        pub fn process(m: *wappa.Message) void {
            m.setContent(mark);
            wappa.count("seen", 2);
            if (wappa.now() != 5) m.fail("what is the time?");
            var bytes: [64]u8 = @splat(0);
            wappa.random(&bytes);
            if (std.mem.allEqual(u8, &bytes, 0)) m.fail("these are not random");
            wappa.log(.trace, "{s}", .{&filled(5000, 'x')});
        }

        pub fn close() void {
            is_closed = true;
        }
    };
    var host = try Host.start(guest, &.{.{ "mark", "?" }});
    host.setTime(5);
    const out = try oneOut(try host.process(&.{.{ .content = "a", .err = "earlier" }}));
    try expectEqualStrings("?", out.content);
    try expectEqualStrings("earlier", out.err.?);
    try expectEqual(2, host.counter("seen"));
    try expectEqual(0, host.counter("other"));
    try expectEqual(.info, host.log()[0].level);
    try expectEqualStrings("the mark is ?", host.log()[0].text);
    try expectEqual(4096, host.log()[1].text.len);
    host.deinit();
    try expect(guest.is_closed);
}

test "a guest that does not want to start" {
    const guest = struct {
        pub fn init() !void {
            return wappa.refuse("the config `{s}` is missing", .{"topic"});
        }
        pub fn process(_: *wappa.Message) void {}
    };
    try std.testing.expectError(error.Refused, Host.start(guest, &.{}));
}

test "many messages, each with memory of its own" {
    const guest = struct {
        pub fn process(m: *wappa.Message) !void {
            const content = try m.content();
            const again = try m.content();
            try expect(content.ptr != again.ptr or content.len == 0);
            @memset(content, 'x');
            try expectEqual(again.len, m.contentLen());
            m.setContent(try std.mem.concat(m.arena, u8, &.{ content, again }));
            try m.setMetaValue("at", .{ m.index(), m.batchLen() });
        }
    };
    var host = try Host.start(guest, &.{});
    defer host.deinit();
    for (0..3) |_| {
        const out = try host.process(&.{ .{ .content = &filled(100_000, 'a') }, .{}, .{ .content = "b" } });
        try expectEqualStrings(&(filled(100_000, 'x') ++ filled(100_000, 'a')), out[0][0].content);
        try expectEqualStrings("xb", out[2][0].content);
        try expectEqualStrings("[2,3]", out[2][0].meta("at").?);
    }
    try expectEqual(0, (try host.process(&.{})).len);
}
