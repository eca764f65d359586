// What the C library asks of WASI preview 1, which a component does not have: standard output and error go to the log,
// line by line; there is the time, and there are random numbers. Whatever else the library may ask for, the host names
// when it loads the module.
#include "wappa.h"

#include <string.h>
#include <wasi/api.h>

enum { LINE_BYTES_MAX = 4096 };

// Each function has the two names by which libraries import it: that of wasi-libc, and that of the parts of zig's
// library which are written in Zig.
#define PROVIDE(result, name, ...)                                                                                     \
    result __imported_wasi_snapshot_preview1_##name(__VA_ARGS__) __attribute__((weak, alias("wasi_" #name)));          \
    result name(__VA_ARGS__) __asm__(#name "|wasi_snapshot_preview1") __attribute__((weak, alias("wasi_" #name)));     \
    result wasi_##name(__VA_ARGS__)

static void write_line(wappa_buf *line, wappa_level level) {
    wappa_v1_log((int32_t)level, line->data, (uint32_t)line->len);
    wappa_buf_clear(line);
}

PROVIDE(int32_t, fd_write, int32_t fd, int32_t iovs, int32_t iovs_len, int32_t written) {
    static wappa_buf lines[2];
    if (fd != 1 && fd != 2) return __WASI_ERRNO_BADF;
    wappa_buf *line = &lines[fd - 1];
    wappa_level level = fd == 1 ? WAPPA_INFO : WAPPA_WARN;
    const __wasi_ciovec_t *pieces = (const __wasi_ciovec_t *)(uintptr_t)iovs;
    uint32_t all = 0;
    for (int32_t i = 0; i < iovs_len; i++) {
        for (uint32_t at = 0; at < pieces[i].buf_len; at++) {
            if (pieces[i].buf[at] != '\n') wappa_buf_add(line, &pieces[i].buf[at], 1);
            if (pieces[i].buf[at] == '\n' || line->len == LINE_BYTES_MAX) write_line(line, level);
        }
        all += pieces[i].buf_len;
    }
    memcpy((void *)(uintptr_t)written, &all, sizeof all);
    return __WASI_ERRNO_SUCCESS;
}

PROVIDE(int32_t, fd_fdstat_get, int32_t fd, int32_t stat) {
    __wasi_fdstat_t terminal = {.fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE};
    if (fd < 0 || fd > 2) return __WASI_ERRNO_BADF;
    memcpy((void *)(uintptr_t)stat, &terminal, sizeof terminal);
    return __WASI_ERRNO_SUCCESS;
}

PROVIDE(int32_t, fd_seek, int32_t fd, int64_t offset, int32_t whence, int32_t position) {
    (void)fd, (void)offset, (void)whence, (void)position;
    return __WASI_ERRNO_SPIPE;
}

PROVIDE(int32_t, fd_close, int32_t fd) {
    (void)fd;
    return __WASI_ERRNO_BADF;
}

PROVIDE(int32_t, clock_time_get, int32_t id, int64_t precision, int32_t time) {
    (void)id, (void)precision;
    int64_t now = wappa_v1_now();
    memcpy((void *)(uintptr_t)time, &now, sizeof now);
    return __WASI_ERRNO_SUCCESS;
}

PROVIDE(int32_t, random_get, int32_t buf, int32_t len) {
    wappa_v1_random((void *)(uintptr_t)buf, (uint32_t)len);
    return __WASI_ERRNO_SUCCESS;
}

PROVIDE(_Noreturn void, proc_exit, int32_t code) {
    (void)code;
    __builtin_trap();
}
