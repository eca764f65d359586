//! What the processor counts beside what is counted of every processor, and what its guests count.

wappa_component::series! {
    WASM_MODULE: gauge "wasm_module", ["sha256"], "The version of the module that is at work, by the digest of its file: 1 for each processor that has it. It goes with the version.";
    WASM_INSTANCES: gauge "wasm_instances", [], "Instances that there are.";
    WASM_INSTANCES_MADE: counter "wasm_instances_made", [], "Instances that came to work, those included that took the place of others.";
    WASM_CALLS: counter "wasm_calls", [], "Calls of the guest. One call may be for several messages.";
    WASM_LATENCY_NS: timing "wasm_latency_ns", [], "How long the guest took for a message, as a share of those that it was given at once.";
    WASM_MEMORY_BYTES_MAX: gauge "wasm_memory_bytes_max", [], "The most that the memories and tables of one instance took up together.";
    WASM_RECYCLED: counter "wasm_recycled", ["reason"], "Instances in good health that were replaced: after `messages`, for their `growth`, or since they were `worn`, keeping what they were to give back.";
    WASM_COMPILE_LATENCY_NS: timing "wasm_compile_latency_ns", [], "How long it took to compile the module, where it was in no cache.";
    WASM_LOAD_LATENCY_NS: timing "wasm_load_latency_ns", [], "From the reading of a module's file to its first instance, compiling included.";
    WASM_RELOADED: counter "wasm_reloaded", [], "New versions of a module that took over, with `reload`.";
    WASM_STATE_LOST: counter "wasm_state_lost", [], "Instances that were replaced, with what their guests kept in globals: after a failure, or by `recycle`.";
    WASM_RELOAD_FAILED: counter "wasm_reload_failed", [], "New versions of a module that did not load, with `reload`.";
    WASM_FAILED: counter "wasm_failed", ["kind"], "Messages on which the guest failed, by what stands in front of the reason: `trap`, `timeout`, `memory`, `output`, `exit`, `host_call`, `instance` or `fail`.";
    WASM_GUEST: counter "wasm_guest_<name>", [], "What the guest counts under this name, 100 names at most.";
}

/// The name of a counter of a guest.
pub(super) fn of_guest(name: &str) -> String {
    WASM_GUEST.name.replace("<name>", name)
}
