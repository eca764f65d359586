// The functions of the host (interface v1) that the guests beside use. Vala cannot say from which module a function is
// imported; clang can, for the C that Vala makes.
#include <stdint.h>

#define HOST(name) __attribute__((import_module("wappa"), import_name(#name)))

HOST(v1_content_len) int v1_content_len(void);
HOST(v1_content_read) int v1_content_read(int offset, uint8_t *at, int room);
HOST(v1_content_write) void v1_content_write(const uint8_t *at, int len);
HOST(v1_meta_get) int v1_meta_get(const uint8_t *key, int key_len, uint8_t *at, int room);
HOST(v1_meta_set) void v1_meta_set(const uint8_t *key, int key_len, const uint8_t *at, int len);
HOST(v1_meta_set_json) void v1_meta_set_json(const uint8_t *key, int key_len, const uint8_t *at, int len);
HOST(v1_meta_delete) int v1_meta_delete(const uint8_t *key, int key_len);
HOST(v1_meta_keys) int v1_meta_keys(uint8_t *at, int room);
HOST(v1_error_get) int v1_error_get(uint8_t *at, int room);
HOST(v1_error_clear) void v1_error_clear(void);
HOST(v1_emit) void v1_emit(void);
HOST(v1_filter) void v1_filter(void);
HOST(v1_fail) void v1_fail(const uint8_t *at, int len);
HOST(v1_next) int v1_next(void);
HOST(v1_batch_index) int v1_batch_index(void);
HOST(v1_batch_len) int v1_batch_len(void);
HOST(v1_config_get) int v1_config_get(const uint8_t *key, int key_len, uint8_t *at, int room);
HOST(v1_log) void v1_log(int level, const uint8_t *at, int len);
HOST(v1_counter_add) void v1_counter_add(const uint8_t *name, int len, int64_t delta);
