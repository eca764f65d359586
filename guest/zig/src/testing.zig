//! A host for tests, on the machine that builds: what the guest would meet in a stream, without WebAssembly.
//!
//!     test "shouts" {
//!         var host = try wappa.testing.Host.start(@This(), &.{.{ "mark", "?" }});
//!         defer host.deinit();
//!         const out = try host.process(&.{.{ .content = "hey" }});
//!         try std.testing.expectEqualStrings("HEY?", out[0][0].content);
//!     }
//!
//! It has no limits on time and memory. A mistake that ends an instance in a stream panics here.
const std = @import("std");
const message = @import("message.zig");
const wappa = @import("wappa.zig");

const Allocator = std.mem.Allocator;

/// What guests keep outlives the hosts of all tests, as their variables do.
pub const lasting: Allocator = std.heap.smp_allocator;

/// A value of metadata: text, of any bytes, or the JSON of a value of another type.
pub const Value = union(enum) { text: []const u8, json: []const u8 };

/// A key of metadata with its value.
pub const Entry = struct { key: []const u8, value: Value };

/// A message that the guest is given.
pub const In = struct { content: []const u8 = "", metadata: []const Entry = &.{}, err: ?[]const u8 = null };

/// A message that came out. Metadata are sorted by their keys.
pub const Out = struct {
    content: []const u8,
    metadata: []const Entry,
    /// The error mark; of a message that failed, the reason.
    err: ?[]const u8,

    /// The value of a key as text or JSON; null where it is missing.
    pub fn meta(out: Out, key: []const u8) ?[]const u8 {
        for (out.metadata) |it| if (std.mem.eql(u8, it.key, key)) return switch (it.value) {
            inline else => |text| text,
        };
        return null;
    }
};

/// A line of the log.
pub const Line = struct { level: wappa.Level, text: []const u8 };

/// A key of the field `config` with its value.
pub const Setting = struct { []const u8, []const u8 };

/// The host. All that it gives belongs to it until `deinit`.
pub const Host = struct {
    state: *State,
    serve: *const fn () void,
    close: *const fn () void,

    /// Starts a guest, a type with `process`, under a config. `error.Refused` means that its `init` did not want to: the
    /// log says why, which goes to standard error then.
    pub fn start(comptime guest: type, settings: []const Setting) error{ Refused, OutOfMemory }!Host {
        const state = try State.create(settings);
        errdefer state.destroy();
        state.enter();
        defer state.leave();
        if (wappa.initOf(guest).init() != 0) {
            for (state.lines.items) |it| std.debug.print("{t}: {s}\n", .{ it.level, it.text });
            return error.Refused;
        }
        const calls = struct {
            fn serve() void {
                wappa.serve(guest.process);
            }
            fn close() void {
                if (@hasDecl(guest, "close")) guest.close();
            }
        };
        return .{ .state = state, .serve = calls.serve, .close = calls.close };
    }

    /// Ends the guest, and gives all memory back.
    pub fn deinit(host: *Host) void {
        host.state.enter();
        host.close();
        host.state.leave();
        host.state.destroy();
        host.* = undefined;
    }

    /// Gives the guest a batch, in one call, and returns for each message the list of those that it became: one as a
    /// rule, none when it was filtered. One that failed is as it came in, with the reason in `err`.
    pub fn process(host: *Host, messages: []const In) Allocator.Error![]const []const Out {
        const state = host.state;
        if (messages.len == 0) return &.{};
        const results = try state.allocator().alloc([]const Out, messages.len);
        state.batch = messages;
        state.results = results;
        try state.begin(0);
        state.enter();
        defer state.leave();
        host.serve();
        return results;
    }

    /// The lines of the log so far.
    pub fn log(host: Host) []const Line {
        return host.state.lines.items;
    }

    /// What was added to a counter.
    pub fn counter(host: Host, name: []const u8) u64 {
        return host.state.counters.get(name) orelse 0;
    }

    /// Sets what `wappa.now` answers; 0 unless it is set.
    pub fn setTime(host: *Host, nanoseconds: i64) void {
        host.state.time = nanoseconds;
    }
};

/// What a host knows.
const State = struct {
    memory: std.heap.ArenaAllocator,
    settings: []const Setting,
    lines: std.ArrayList(Line) = .empty,
    counters: std.StringHashMapUnmanaged(u64) = .empty,
    time: i64 = 0,
    random: std.Random.DefaultPrng = .init(1),
    batch: []const In = &.{},
    results: [][]const Out = &.{},
    /// Which message is at work; all of them are done where it is the length of the batch.
    at: usize = 0,
    content: []const u8 = "",
    metadata: std.ArrayList(Entry) = .empty,
    mark: ?[]const u8 = null,
    emitted: std.ArrayList(Out) = .empty,
    is_filtered: bool = false,
    failure: ?[]const u8 = null,

    fn create(settings: []const Setting) Allocator.Error!*State {
        const state = try std.testing.allocator.create(State);
        state.* = .{ .memory = .init(std.testing.allocator), .settings = settings };
        return state;
    }

    fn destroy(state: *State) void {
        state.memory.deinit();
        std.testing.allocator.destroy(state);
    }

    fn allocator(state: *State) Allocator {
        return state.memory.allocator();
    }

    fn copy(state: *State, text: []const u8) Allocator.Error![]const u8 {
        return state.allocator().dupe(u8, text);
    }

    fn enter(state: *State) void {
        if (at_work != null) @panic("wappa.testing: a guest that is called by another one");
        at_work = state;
    }

    fn leave(_: *State) void {
        at_work = null;
    }

    fn begin(state: *State, at: usize) Allocator.Error!void {
        state.at = at;
        state.metadata = .empty;
        state.emitted = .empty;
        state.is_filtered = false;
        state.failure = null;
        const in = state.batch[at];
        state.content = try state.copy(in.content);
        state.mark = if (in.err) |it| try state.copy(it) else null;
        for (in.metadata) |it| try state.put(it.key, it.value);
    }

    /// The message as it stands.
    fn standing(state: *State) Allocator.Error!Out {
        const metadata = try state.allocator().dupe(Entry, state.metadata.items);
        return .{ .content = state.content, .metadata = metadata, .err = state.mark };
    }

    fn finish(state: *State) Allocator.Error!void {
        if (state.failure) |reason| {
            try state.begin(state.at);
            state.mark = reason;
        }
        if (!state.is_filtered) try state.emitted.append(state.allocator(), try state.standing());
        state.results[state.at] = state.emitted.items;
        state.at += 1;
        if (state.at < state.batch.len) try state.begin(state.at);
    }

    fn place(state: *State, key: []const u8) struct { usize, bool } {
        for (state.metadata.items, 0..) |it, at| switch (std.mem.order(u8, it.key, key)) {
            .lt => {},
            .eq => return .{ at, true },
            .gt => return .{ at, false },
        };
        return .{ state.metadata.items.len, false };
    }

    fn find(state: *State, key: []const u8) ?Value {
        const at, const is_there = state.place(key);
        return if (is_there) state.metadata.items[at].value else null;
    }

    fn put(state: *State, key: []const u8, value: Value) Allocator.Error!void {
        const kept: Value = switch (value) {
            .text => |text| .{ .text = try state.copy(text) },
            .json => |json| try state.valueOf(json),
        };
        const at, const is_there = state.place(key);
        if (is_there) {
            state.metadata.items[at].value = kept;
        } else {
            try state.metadata.insert(state.allocator(), at, .{ .key = try state.copy(key), .value = kept });
        }
    }

    /// The value that a JSON text says, without blanks. A text that comes as JSON is a text.
    fn valueOf(state: *State, json: []const u8) Allocator.Error!Value {
        const options: std.json.ParseOptions = .{ .parse_numbers = false, .allocate = .alloc_always };
        const value = std.json.parseFromSliceLeaky(std.json.Value, state.allocator(), json, options) catch |err| switch (err) {
            error.OutOfMemory => |it| return it,
            else => @panic("wappa.testing: the value of metadata is not JSON"),
        };
        if (value == .string) return .{ .text = value.string };
        return .{ .json = try std.json.Stringify.valueAlloc(state.allocator(), value, .{}) };
    }

    fn addLine(state: *State, level: wappa.Level, text: []const u8) Allocator.Error!void {
        try state.lines.append(state.allocator(), .{ .level = level, .text = try state.copy(text) });
    }

    fn addCount(state: *State, name: []const u8, delta: u64) Allocator.Error!void {
        const counter = try state.counters.getOrPutValue(state.allocator(), try state.copy(name), 0);
        counter.value_ptr.* += delta;
    }
};

/// The host whose guest is called.
threadlocal var at_work: ?*State = null;

fn now() *State {
    return at_work orelse @panic("wappa.testing: there is no host: call the guest through `Host`");
}

/// The one whose message is asked for.
fn withMessage() *State {
    const state = now();
    if (state.at == state.batch.len) @panic("wappa.testing: there is no message to work on");
    return state;
}

fn done(result: Allocator.Error!void) void {
    result catch @panic("wappa.testing: out of memory");
}

fn answer(text: ?[]const u8, at: [*]u8, room: u32) u32 {
    const bytes = text orelse return absent;
    if (bytes.len <= room) @memcpy(at[0..bytes.len], bytes);
    return message.lenOf(bytes);
}

const absent = 0xffff_ffff;

/// The functions of the host as the guest sees them.
pub const functions = struct {
    pub fn v1_content_len() u32 {
        return message.lenOf(withMessage().content);
    }

    pub fn v1_content_read(offset: u32, at: [*]u8, room: u32) u32 {
        const content = withMessage().content;
        const rest = content[@min(offset, content.len)..];
        const len = @min(rest.len, room);
        @memcpy(at[0..len], rest[0..len]);
        return @intCast(len);
    }

    pub fn v1_content_write(at: [*]const u8, len: u32) void {
        const state = withMessage();
        state.content = state.copy(at[0..len]) catch @panic("wappa.testing: out of memory");
    }

    pub fn v1_meta_get(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32 {
        const value = withMessage().find(key[0..key_len]) orelse return absent;
        return switch (value) {
            inline else => |text| answer(text, at, room),
        };
    }

    pub fn v1_meta_get_json(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32 {
        const state = withMessage();
        switch (state.find(key[0..key_len]) orelse return absent) {
            .json => |json| return answer(json, at, room),
            .text => |text| {
                const json = std.json.Stringify.valueAlloc(state.allocator(), text, .{});
                return answer(json catch @panic("wappa.testing: out of memory"), at, room);
            },
        }
    }

    pub fn v1_meta_set(key: [*]const u8, key_len: u32, at: [*]const u8, len: u32) void {
        done(withMessage().put(key[0..key_len], .{ .text = at[0..len] }));
    }

    pub fn v1_meta_set_json(key: [*]const u8, key_len: u32, at: [*]const u8, len: u32) void {
        done(withMessage().put(key[0..key_len], .{ .json = at[0..len] }));
    }

    pub fn v1_meta_delete(key: [*]const u8, key_len: u32) u32 {
        const state = withMessage();
        const at, const is_there = state.place(key[0..key_len]);
        if (is_there) _ = state.metadata.orderedRemove(at);
        return @intFromBool(is_there);
    }

    pub fn v1_meta_keys(at: [*]u8, room: u32) u32 {
        const state = withMessage();
        var keys: std.ArrayList(u8) = .empty;
        for (state.metadata.items) |it| {
            var len: [4]u8 = undefined;
            std.mem.writeInt(u32, &len, message.lenOf(it.key), .little);
            done(keys.appendSlice(state.allocator(), &len));
            done(keys.appendSlice(state.allocator(), it.key));
        }
        return answer(keys.items, at, room);
    }

    pub fn v1_error_get(at: [*]u8, room: u32) u32 {
        return answer(withMessage().mark, at, room);
    }

    pub fn v1_error_clear() void {
        withMessage().mark = null;
    }

    pub fn v1_emit() void {
        const state = withMessage();
        const out = state.standing() catch @panic("wappa.testing: out of memory");
        done(state.emitted.append(state.allocator(), out));
    }

    pub fn v1_filter() void {
        withMessage().is_filtered = true;
    }

    pub fn v1_fail(at: [*]const u8, len: u32) void {
        const state = withMessage();
        const reason = if (len == 0) "the guest gave no reason" else at[0..len];
        state.failure = state.copy(reason) catch @panic("wappa.testing: out of memory");
    }

    pub fn v1_next() u32 {
        const state = withMessage();
        done(state.finish());
        return if (state.at < state.batch.len) 1 else absent;
    }

    pub fn v1_batch_index() u32 {
        return @intCast(withMessage().at);
    }

    pub fn v1_batch_len() u32 {
        return @intCast(withMessage().batch.len);
    }

    pub fn v1_config_get(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32 {
        for (now().settings) |it| if (std.mem.eql(u8, it[0], key[0..key_len])) return answer(it[1], at, room);
        return absent;
    }

    pub fn v1_log(level: u32, at: [*]const u8, len: u32) void {
        done(now().addLine(@fromBackingInt(@intCast(level)), at[0..len]));
    }

    pub fn v1_counter_add(name: [*]const u8, len: u32, delta: i64) void {
        done(now().addCount(name[0..len], @intCast(delta)));
    }

    pub fn v1_now() i64 {
        return now().time;
    }

    /// The same bytes for each host, so that a test can rely on them.
    pub fn v1_random(at: [*]u8, len: u32) void {
        now().random.random().bytes(at[0..len]);
    }
};
