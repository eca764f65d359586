//! Greets the people whose names come as messages.
const std = @import("std");
const wappa = @import("wappa");

var greeting: []const u8 = undefined;

pub fn init() !void {
    greeting = try wappa.config("greeting") orelse "hello";
}

/// Works on one message. An error fails it, and no other one.
pub fn process(m: *wappa.Message) !void {
    const name = try m.text();
    if (name.len == 0) return m.filter();
    m.setContent(try std.fmt.allocPrint(m.arena, "{s}, {s}!", .{ greeting, name }));
    try m.setMetaValue("greeted", true);
    wappa.count("greeted", 1);
}

const Host = wappa.testing.Host;

test "greets, and leaves out those without a name" {
    var host = try Host.start(@This(), &.{.{ "greeting", "welcome" }});
    defer host.deinit();
    const out = try host.process(&.{ .{ .content = "ann" }, .{ .content = "" } });
    try std.testing.expectEqualStrings("welcome, ann!", out[0][0].content);
    try std.testing.expectEqualStrings("true", out[0][0].meta("greeted").?);
    try std.testing.expectEqual(0, out[1].len);
    try std.testing.expectEqual(1, host.counter("greeted"));
}

test "what is no text fails" {
    var host = try Host.start(@This(), &.{});
    defer host.deinit();
    const out = try host.process(&.{.{ .content = "\xff" }});
    try std.testing.expectEqualStrings("the content is not UTF-8", out[0][0].err.?);
}
