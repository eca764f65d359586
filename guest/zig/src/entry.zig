//! The root of a guest's module: exports what the host calls, and turns panics into reasons. The guest itself is the
//! module `guest`.
const std = @import("std");
const guest = @import("guest");
const wappa = @import("wappa");

pub const panic = std.debug.FullPanic(wappa.panicked);

pub const std_options: std.Options = if (@hasDecl(guest, "std_options")) guest.std_options else .{
    .logFn = wappa.logFn,
    // The host knows what is wanted.
    .log_level = .debug,
};

comptime {
    wappa.exportGuest(guest);
}
