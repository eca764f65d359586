//! Takes a JSON object and replaces the value of every member that is named in the config `fields`, at any depth, by the
//! text `***`. What is not a JSON object fails.
const std = @import("std");
const wappa = @import("wappa");

var fields: []const u8 = undefined;

pub fn init() !void {
    fields = try wappa.config("fields") orelse "password,email";
}

pub fn process(m: *wappa.Message) !void {
    const content = try m.content();
    // Numbers stay as they were written.
    const options: std.json.ParseOptions = .{ .parse_numbers = false };
    var value = std.json.parseFromSliceLeaky(std.json.Value, m.arena, content, options) catch |err| switch (err) {
        error.OutOfMemory => |it| return it,
        else => return m.failed("not a JSON object", .{}),
    };
    if (value != .object) return m.failed("not a JSON object", .{});
    redact(&value);
    m.setContent(try std.json.Stringify.valueAlloc(m.arena, value, .{}));
}

fn redact(value: *std.json.Value) void {
    switch (value.*) {
        .object => |*members| {
            var all = members.iterator();
            while (all.next()) |member| {
                if (isMasked(member.key_ptr.*)) member.value_ptr.* = .{ .string = "***" } else redact(member.value_ptr);
            }
        },
        .array => |items| for (items.items) |*it| redact(it),
        else => {},
    }
}

fn isMasked(name: []const u8) bool {
    var all = std.mem.splitScalar(u8, fields, ',');
    while (all.next()) |it| if (it.len > 0 and std.mem.eql(u8, it, name)) return true;
    return false;
}
