// The functions of the host (interface v1), as they are.
//
// Those that take a place and its room return the whole length: where it is more than the room, nothing was written. -1
// means that there is no such thing. Where a length is 0, the place is not looked at.

// @ts-ignore: decorator
@external("wappa", "v1_content_len")
export declare function contentLength(): i32;
// @ts-ignore: decorator
@external("wappa", "v1_content_read")
export declare function contentRead(offset: i32, at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_content_write")
export declare function contentWrite(at: usize, length: i32): void;
// @ts-ignore: decorator
@external("wappa", "v1_meta_get")
export declare function metaGet(key: usize, keyLength: i32, at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_meta_get_json")
export declare function metaGetJson(key: usize, keyLength: i32, at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_meta_set")
export declare function metaSet(key: usize, keyLength: i32, at: usize, length: i32): void;
// @ts-ignore: decorator
@external("wappa", "v1_meta_set_json")
export declare function metaSetJson(key: usize, keyLength: i32, at: usize, length: i32): void;
// @ts-ignore: decorator
@external("wappa", "v1_meta_delete")
export declare function metaDelete(key: usize, keyLength: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_meta_keys")
export declare function metaKeys(at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_error_get")
export declare function errorGet(at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_error_clear")
export declare function errorClear(): void;
// @ts-ignore: decorator
@external("wappa", "v1_emit")
export declare function emit(): void;
// @ts-ignore: decorator
@external("wappa", "v1_filter")
export declare function filter(): void;
// @ts-ignore: decorator
@external("wappa", "v1_fail")
export declare function fail(at: usize, length: i32): void;
// @ts-ignore: decorator
@external("wappa", "v1_next")
export declare function next(): i32;
// @ts-ignore: decorator
@external("wappa", "v1_batch_index")
export declare function batchIndex(): i32;
// @ts-ignore: decorator
@external("wappa", "v1_batch_len")
export declare function batchLength(): i32;
// @ts-ignore: decorator
@external("wappa", "v1_config_get")
export declare function configGet(key: usize, keyLength: i32, at: usize, room: i32): i32;
// @ts-ignore: decorator
@external("wappa", "v1_log")
export declare function log(level: i32, at: usize, length: i32): void;
// @ts-ignore: decorator
@external("wappa", "v1_counter_add")
export declare function counterAdd(name: usize, length: i32, delta: i64): void;
// @ts-ignore: decorator
@external("wappa", "v1_now")
export declare function now(): i64;
// @ts-ignore: decorator
@external("wappa", "v1_random")
export declare function random(at: usize, length: i32): void;
