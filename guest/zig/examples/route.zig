//! Decides from the metadata `kind` and from the config where a message is to go, and writes it to the metadata `route`.
//! The content is never read, and so never copied.
const std = @import("std");
const wappa = @import("wappa");

pub fn process(m: *wappa.Message) !void {
    const route = try routeOf(m);

    var names: std.ArrayList(u8) = .empty;
    var keys = try m.metaKeys();
    while (keys.next()) |key| {
        if (names.items.len > 0) try names.append(m.arena, ',');
        try names.appendSlice(m.arena, key);
    }

    try m.setMeta("route", route);
    try m.setMeta("keys", names.items);
    try m.setMeta("position", try std.fmt.allocPrint(m.arena, "{d}/{d}", .{ m.index(), m.batchLen() }));
    _ = m.deleteMeta("secret");
    if (try m.errorMark()) |mark| {
        try m.setMeta("last_error", mark);
        m.clearError();
    }

    wappa.count("routed", 1);
    wappa.log(.debug, "routed to {s}", .{route});
}

fn routeOf(m: *wappa.Message) ![]const u8 {
    if (try m.meta("kind")) |kind| {
        const key = try std.mem.concat(m.arena, u8, &.{ "route.", kind });
        if (try m.config(key)) |route| return route;
    }
    return try m.config("default") orelse "none";
}
