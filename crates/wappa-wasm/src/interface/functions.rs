//! The functions that a guest finds here: guest interfaces v0 and v1, and WASI preview 1, with their types.

use super::signature::Signature;

/// The import modules of guest interface v0. Benthos and Redpanda Connect use the second name for the same
/// functions.
pub const V0_MODULES: [&str; 2] = ["bento_wasm", "benthos_wasm"];

/// The import module of guest interface v1.
pub const V1_MODULE: &str = "wappa";

/// The import module of WASI preview 1.
pub const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// Guest interface v0. `i` is i32, `I` is i64; parameters, a colon, results.
pub(crate) const V0_FUNCTIONS: [(&str, &str); 4] = [
    ("v0_msg_as_bytes", ":I"),
    ("v0_msg_set_bytes", "ii:"),
    ("v0_msg_get_meta", "ii:I"),
    ("v0_msg_set_meta", "iiii:"),
];

/// The version of Wappa that guest interface v1 came with.
pub(crate) const V1_SINCE: &str = "0.1.0";

/// Guest interface v1, in the same notation, and the version of Wappa that each function came with.
pub(crate) const V1_FUNCTIONS: [(&str, &str, &str); 22] = [
    ("v1_content_len", ":i", "0.1.0"),
    ("v1_content_read", "iii:i", "0.1.0"),
    ("v1_content_write", "ii:", "0.1.0"),
    ("v1_meta_get", "iiii:i", "0.1.0"),
    ("v1_meta_get_json", "iiii:i", "0.1.0"),
    ("v1_meta_set", "iiii:", "0.1.0"),
    ("v1_meta_set_json", "iiii:", "0.1.0"),
    ("v1_meta_delete", "ii:i", "0.1.0"),
    ("v1_meta_keys", "ii:i", "0.1.0"),
    ("v1_error_get", "ii:i", "0.1.0"),
    ("v1_error_clear", ":", "0.1.0"),
    ("v1_emit", ":", "0.1.0"),
    ("v1_filter", ":", "0.1.0"),
    ("v1_fail", "ii:", "0.1.0"),
    ("v1_next", ":i", "0.1.0"),
    ("v1_batch_index", ":i", "0.1.0"),
    ("v1_batch_len", ":i", "0.1.0"),
    ("v1_config_get", "iiii:i", "0.1.0"),
    ("v1_log", "iii:", "0.1.0"),
    ("v1_counter_add", "iiI:", "0.1.0"),
    ("v1_now", ":I", "0.1.0"),
    ("v1_random", "ii:", "0.1.0"),
];

/// Optional exports of a guest of interface v1.
pub(crate) const INIT: &str = "wappa_init";
pub(crate) const CLOSE: &str = "wappa_close";

/// What a guest may export beside its function: run before the first message, and when an instance is retired.
pub(crate) const HOOKS: [(&str, &str); 2] = [(INIT, ":i"), (CLOSE, ":")];

/// All of WASI preview 1, in the same notation.
pub(crate) const WASI_FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "ii:i"),
    ("args_sizes_get", "ii:i"),
    ("clock_res_get", "ii:i"),
    ("clock_time_get", "iIi:i"),
    ("environ_get", "ii:i"),
    ("environ_sizes_get", "ii:i"),
    ("fd_advise", "iIIi:i"),
    ("fd_allocate", "iII:i"),
    ("fd_close", "i:i"),
    ("fd_datasync", "i:i"),
    ("fd_fdstat_get", "ii:i"),
    ("fd_fdstat_set_flags", "ii:i"),
    ("fd_fdstat_set_rights", "iII:i"),
    ("fd_filestat_get", "ii:i"),
    ("fd_filestat_set_size", "iI:i"),
    ("fd_filestat_set_times", "iIIi:i"),
    ("fd_pread", "iiiIi:i"),
    ("fd_prestat_dir_name", "iii:i"),
    ("fd_prestat_get", "ii:i"),
    ("fd_pwrite", "iiiIi:i"),
    ("fd_read", "iiii:i"),
    ("fd_readdir", "iiiIi:i"),
    ("fd_renumber", "ii:i"),
    ("fd_seek", "iIii:i"),
    ("fd_sync", "i:i"),
    ("fd_tell", "ii:i"),
    ("fd_write", "iiii:i"),
    ("path_create_directory", "iii:i"),
    ("path_filestat_get", "iiiii:i"),
    ("path_filestat_set_times", "iiiiIIi:i"),
    ("path_link", "iiiiiii:i"),
    ("path_open", "iiiiiIIii:i"),
    ("path_readlink", "iiiiii:i"),
    ("path_remove_directory", "iii:i"),
    ("path_rename", "iiiiii:i"),
    ("path_symlink", "iiiii:i"),
    ("path_unlink_file", "iii:i"),
    ("poll_oneoff", "iiii:i"),
    ("proc_exit", "i:"),
    ("proc_raise", "i:i"),
    ("random_get", "ii:i"),
    ("sched_yield", ":i"),
    ("sock_accept", "iii:i"),
    ("sock_recv", "iiiiii:i"),
    ("sock_send", "iiiii:i"),
    ("sock_shutdown", "ii:i"),
];

/// What toolchains import beside the interfaces, and what there is nothing to do for: import module, name, type.
///
/// Emscripten's libraries tell their host that the memory has grown, since JavaScript would have to look at it anew.
pub(crate) const NOTHING_TO_DO: [(&str, &str, &str); 1] = [("env", "emscripten_notify_memory_growth", "i:")];

/// What the host provides under the name of an import module, with types; none when it knows no such module.
pub(crate) fn functions_of(module: &str) -> Option<Vec<(&'static str, &'static str)>> {
    if V0_MODULES.contains(&module) {
        Some(V0_FUNCTIONS.to_vec())
    } else if module == V1_MODULE {
        Some(V1_FUNCTIONS.iter().map(|(name, letters, _)| (*name, *letters)).collect())
    } else if module == WASI_MODULE {
        Some(WASI_FUNCTIONS.to_vec())
    } else {
        None
    }
}

/// The version of Wappa that a function of guest interface v1 came with.
pub(crate) fn since(function: &str) -> Option<&'static str> {
    V1_FUNCTIONS.iter().find(|(name, ..)| *name == function).map(|(_, _, since)| *since)
}

/// Every function that a guest may import: import module, name, type.
pub fn provided_functions() -> impl Iterator<Item = (&'static str, &'static str, Signature)> {
    let modules = V0_MODULES.into_iter().chain([V1_MODULE, WASI_MODULE]);
    let functions = modules.flat_map(|module| {
        let functions = functions_of(module).unwrap_or_default().into_iter();
        functions.map(move |(name, letters)| (module, name, letters))
    });
    functions
        .chain(NOTHING_TO_DO)
        .map(|(module, name, letters)| (module, name, Signature::from_letters(letters)))
}
