//! The engine's settings: what every module is compiled with, and how instances are allocated.
//!
//! Code that one engine compiled is loaded by the others, so all of them share [`compile_settings`] to the letter.

use wasmtime::{
    Collector, Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
    WasmBacktraceDetails,
};

use crate::interface::ENGINE_FEATURES;

/// How much stack a guest may use: more than Wasmtime's default, because Bento's engine allows more.
pub const GUEST_STACK_BYTES: usize = 4 << 20;

/// Resident pages that a slot keeps for its next instance: small guests are reset two to three times cheaper.
const KEEP_RESIDENT_BYTES: usize = 64 << 10;

/// Tables of one module in a pooled slot, and the elements of each. Modules with more are allocated on demand.
const TABLES_PER_MODULE: u32 = 4;
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// Core instances of one component in a pooled slot: itself, what adapts it to WASI, and what holds them together.
/// Components with more are allocated on demand.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;

/// What modules are compiled with, and the allocation strategy of the on-demand engine.
pub(crate) fn compile_settings() -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    config.parallel_compilation(true);
    config.epoch_interruption(true);
    config.consume_fuel(false);
    config.max_wasm_stack(GUEST_STACK_BYTES);
    // No guest runs on a fiber; the engine only insists on this order.
    config.async_stack_size(2 * GUEST_STACK_BYTES);
    config.generate_address_map(true);
    // A guest's debug sections are hostile, and would be read at every trap, whoever wants to see it.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    // Counting references would never give back what refers to itself.
    config.collector(Collector::Copying);
    // One list for the engine and for those who only look into a module, but for what the engine composes.
    config.wasm_features(ENGINE_FEATURES, true);
    config.wasm_features(ENGINE_FEATURES.complement(), false);
    config
}

/// The same, with instances from a pool of this many slots.
pub(crate) fn pooling_settings(instances: u32, memory_bytes_max: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    pool.total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT));
    pool.max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT);
    // A heap that is collected takes the place of a memory, beside the one that the guest has.
    pool.total_memories(instances.saturating_mul(2));
    pool.total_gc_heaps(instances);
    pool.total_tables(instances.saturating_mul(TABLES_PER_MODULE));
    pool.max_tables_per_module(TABLES_PER_MODULE);
    pool.table_elements(TABLE_ELEMENTS);
    pool.max_memory_size(memory_bytes_max);
    pool.total_stacks(0);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    pool.table_keep_resident(KEEP_RESIDENT_BYTES);
    pool.pagemap_scan(Enabled::Auto);
    let mut config = compile_settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
