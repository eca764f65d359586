//! What the processor counts beside what is counted of every processor, and what its guests count.

wappa_component::series! {
    WASM_STATE_LOST: counter "wasm_state_lost", [], "Instances that were replaced, with what their guests kept in globals: after a failure, or by `recycle`.";
    WASM_RELOAD_FAILED: counter "wasm_reload_failed", [], "New versions of a module that did not load, with `reload`.";
    WASM_FAILED: counter "wasm_failed", ["kind"], "Messages on which the guest failed, by what stands in front of the reason: `trap`, `timeout`, `memory`, `output`, `exit`, `host_call`, `instance` or `fail`.";
    WASM_GUEST: counter "wasm_guest_<name>", [], "What the guest counts under this name, 100 names at most.";
}

/// The name of a counter of a guest.
pub(super) fn of_guest(name: &str) -> String {
    WASM_GUEST.name.replace("<name>", name)
}
