//! The functions of the host (interface v1), as they are; outside of WebAssembly, those of the mock host.
//!
//! Those that take a place and its room return the whole length: where it is more than the room, nothing was written.
//! `absent` means that there is no such thing. Where a length is 0, the pointer is not looked at.
const builtin = @import("builtin");

pub const absent = 0xffff_ffff;

const imports = struct {
    extern "wappa" fn v1_content_len() u32;
    extern "wappa" fn v1_content_read(offset: u32, at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_content_write(at: [*]const u8, len: u32) void;
    extern "wappa" fn v1_meta_get(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_meta_get_json(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_meta_set(key: [*]const u8, key_len: u32, at: [*]const u8, len: u32) void;
    extern "wappa" fn v1_meta_set_json(key: [*]const u8, key_len: u32, at: [*]const u8, len: u32) void;
    extern "wappa" fn v1_meta_delete(key: [*]const u8, key_len: u32) u32;
    extern "wappa" fn v1_meta_keys(at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_error_get(at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_error_clear() void;
    extern "wappa" fn v1_emit() void;
    extern "wappa" fn v1_filter() void;
    extern "wappa" fn v1_fail(at: [*]const u8, len: u32) void;
    extern "wappa" fn v1_next() u32;
    extern "wappa" fn v1_batch_index() u32;
    extern "wappa" fn v1_batch_len() u32;
    extern "wappa" fn v1_config_get(key: [*]const u8, key_len: u32, at: [*]u8, room: u32) u32;
    extern "wappa" fn v1_log(level: u32, at: [*]const u8, len: u32) void;
    extern "wappa" fn v1_counter_add(name: [*]const u8, len: u32, delta: i64) void;
    extern "wappa" fn v1_now() i64;
    extern "wappa" fn v1_random(at: [*]u8, len: u32) void;
};

const functions = if (builtin.cpu.arch.isWasm()) imports else @import("testing.zig").functions;

pub const contentLen = functions.v1_content_len;
pub const contentRead = functions.v1_content_read;
pub const contentWrite = functions.v1_content_write;
pub const metaGet = functions.v1_meta_get;
pub const metaGetJson = functions.v1_meta_get_json;
pub const metaSet = functions.v1_meta_set;
pub const metaSetJson = functions.v1_meta_set_json;
pub const metaDelete = functions.v1_meta_delete;
pub const metaKeys = functions.v1_meta_keys;
pub const errorGet = functions.v1_error_get;
pub const errorClear = functions.v1_error_clear;
pub const emit = functions.v1_emit;
pub const filter = functions.v1_filter;
pub const fail = functions.v1_fail;
pub const next = functions.v1_next;
pub const batchIndex = functions.v1_batch_index;
pub const batchLen = functions.v1_batch_len;
pub const configGet = functions.v1_config_get;
pub const log = functions.v1_log;
pub const counterAdd = functions.v1_counter_add;
pub const now = functions.v1_now;
pub const random = functions.v1_random;
