//! The examples over the data that all languages share, guest/examples/cases.json, on the mock host.
const std = @import("std");
const wappa = @import("wappa");

const Json = std.json.Value;
const testing = wappa.testing;

test "louder" {
    try run("louder", @import("louder"));
}

test "redact" {
    try run("redact", @import("redact"));
}

test "split" {
    try run("split", @import("split"));
}

test "route" {
    try run("route", @import("route"));
}

fn run(comptime name: []const u8, comptime guest: type) !void {
    var memory: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer memory.deinit();
    const arena = memory.allocator();
    const options: std.json.ParseOptions = .{ .parse_numbers = false };
    const all = try std.json.parseFromSliceLeaky(Json, arena, @embedFile("cases.json"), options);
    const cases = all.object.get(name).?.array.items;
    try std.testing.expect(cases.len > 0);
    for (cases) |case| check(arena, guest, case) catch |err| {
        std.debug.print("{s}: {s}\n", .{ name, case.object.get("name").?.string });
        return err;
    };
}

fn check(arena: std.mem.Allocator, comptime guest: type, case: Json) !void {
    var settings: std.ArrayList(testing.Setting) = .empty;
    var config = case.object.get("config").?.object.iterator();
    while (config.next()) |it| try settings.append(arena, .{ it.key_ptr.*, it.value_ptr.string });
    var host = try testing.Host.start(guest, settings.items);
    defer host.deinit();

    var batch: std.ArrayList(testing.In) = .empty;
    for (case.object.get("in").?.array.items) |it| try batch.append(arena, try messageOf(arena, it));
    const results = try host.process(batch.items);
    const expected = case.object.get("out").?.array.items;
    try std.testing.expectEqual(expected.len, results.len);
    for (expected, results, batch.items) |of_message, sent, in| {
        try std.testing.expectEqual(of_message.array.items.len, sent.len);
        for (of_message.array.items, sent) |wanted, out| {
            if (wanted.object.get("failed")) |reason| {
                var failed = in;
                failed.err = reason.string;
                try expectMessage(arena, failed, out);
            } else if (jsonOf(wanted.object.get("content").?)) |json| {
                const got = try std.json.parseFromSliceLeaky(Json, arena, out.content, .{ .parse_numbers = false });
                try std.testing.expectEqualStrings(try sorted(arena, json), try sorted(arena, got));
            } else {
                try expectMessage(arena, try messageOf(arena, wanted), out);
            }
        }
    }
}

fn expectMessage(arena: std.mem.Allocator, expected: testing.In, out: testing.Out) !void {
    try std.testing.expectEqualSlices(u8, expected.content, out.content);
    try std.testing.expectEqualDeep(expected.err, out.err);
    try std.testing.expectEqual(expected.metadata.len, out.metadata.len);
    for (expected.metadata) |it| {
        const got = for (out.metadata) |other| {
            if (std.mem.eql(u8, it.key, other.key)) break other.value;
        } else return error.MissingKey;
        try std.testing.expectEqual(std.meta.activeTag(it.value), std.meta.activeTag(got));
        switch (it.value) {
            .text => |text| try std.testing.expectEqualSlices(u8, text, got.text),
            .json => |json| {
                const values = [_][]const u8{ json, got.json };
                var texts: [2][]const u8 = undefined;
                for (values, &texts) |value, *text| text.* = try sorted(arena, try std.json.parseFromSliceLeaky(Json, arena, value, .{}));
                try std.testing.expectEqualStrings(texts[0], texts[1]);
            },
        }
    }
}

fn messageOf(arena: std.mem.Allocator, json: Json) !testing.In {
    var metadata: std.ArrayList(testing.Entry) = .empty;
    if (json.object.get("metadata")) |members| {
        var all = members.object.iterator();
        while (all.next()) |it| {
            const value: testing.Value = if (jsonOf(it.value_ptr.*)) |of_type|
                .{ .json = try std.json.Stringify.valueAlloc(arena, of_type, .{}) }
            else
                .{ .text = try bytesOf(arena, it.value_ptr.*) };
            try metadata.append(arena, .{ .key = it.key_ptr.*, .value = value });
        }
    }
    return .{
        .content = try bytesOf(arena, json.object.get("content").?),
        .metadata = metadata.items,
        .err = if (json.object.get("error")) |it| it.string else null,
    };
}

fn jsonOf(json: Json) ?Json {
    return if (json == .object) json.object.get("json") else null;
}

/// Text, `{"hex": …}`, `{"repeat": …, "times": …}`, or a list of these.
fn bytesOf(arena: std.mem.Allocator, json: Json) error{ OutOfMemory, InvalidLength, InvalidCharacter, NoSpaceLeft, Overflow }![]const u8 {
    var bytes: std.ArrayList(u8) = .empty;
    switch (json) {
        .string => |text| return text,
        .array => |pieces| for (pieces.items) |it| try bytes.appendSlice(arena, try bytesOf(arena, it)),
        else => if (json.object.get("hex")) |hex| {
            _ = try std.fmt.hexToBytes(try bytes.addManyAsSlice(arena, hex.string.len / 2), hex.string);
        } else {
            const times = try std.fmt.parseInt(usize, json.object.get("times").?.number_string, 10);
            for (0..times) |_| try bytes.appendSlice(arena, json.object.get("repeat").?.string);
        },
    }
    return bytes.items;
}

/// A value as text, members in the order of their names.
fn sorted(arena: std.mem.Allocator, json: Json) ![]const u8 {
    var value = json;
    sort(&value);
    return std.json.Stringify.valueAlloc(arena, value, .{});
}

fn sort(value: *Json) void {
    switch (value.*) {
        .object => |*members| {
            const Names = struct {
                names: []const []const u8,
                pub fn lessThan(it: @This(), a: usize, b: usize) bool {
                    return std.mem.lessThan(u8, it.names[a], it.names[b]);
                }
            };
            members.sort(Names{ .names = members.keys() });
            for (members.values()) |*it| sort(it);
        },
        .array => |items| for (items.items) |*it| sort(it),
        else => {},
    }
}
