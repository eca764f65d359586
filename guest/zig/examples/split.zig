//! Splits the content at the config `separator` and sends every piece that is not blank as a message of its own, with
//! its number in the metadata `split_index`.
const std = @import("std");
const wappa = @import("wappa");

var separator: []const u8 = undefined;

pub fn init() !void {
    separator = try wappa.config("separator") orelse ",";
    if (separator.len == 0) return wappa.refuse("the config `separator` is empty: give it at least one letter", .{});
}

pub fn process(m: *wappa.Message) !void {
    var n_sent: usize = 0;
    var pieces = std.mem.splitSequence(u8, try m.content(), separator);
    while (pieces.next()) |it| {
        const piece = std.mem.trim(u8, it, " ");
        if (piece.len == 0) continue;
        // A piece is sent once the next one is found: the last one is the message itself.
        if (n_sent > 0) m.emit();
        m.setContent(piece);
        try m.setMetaValue("split_index", n_sent);
        n_sent += 1;
    }
    if (n_sent == 0) m.filter();
}
