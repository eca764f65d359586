//! Appends `!!!` to the content, which may be any bytes.
const std = @import("std");
const wappa = @import("wappa");

pub fn process(m: *wappa.Message) !void {
    const content = try m.content();
    m.setContent(try std.mem.concat(m.arena, u8, &.{ content, "!!!" }));
}
