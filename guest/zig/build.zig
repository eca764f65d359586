//! The package `wappa_guest`: the module `wappa` for guests, `addGuest` for the `build.zig` of a guest's project, and the
//! package's own tests.
const std = @import("std");

/// The stack of a guest. The compiler would give it 16 MiB, which every instance begins with.
const stack_bytes = 128 * 1024;

/// What a guest's project says of it.
pub const GuestOptions = struct {
    /// The module is installed under this name, with `.wasm` behind it.
    name: []const u8,
    /// The file with `pub fn process`.
    root_source_file: std.Build.LazyPath,
    /// What the guest imports besides `wappa`.
    imports: []const std.Build.Module.Import = &.{},
    /// How it is optimized; where it is null, as `zig build -Doptimize=…` says, and `safe` where that says nothing: a
    /// guest whose checks fail panics, where it would spoil its own memory without them.
    optimize: ?std.lang.Optimize = null,
    /// Whether the names of functions and the lines of the source are left out, which `wappa call` shows for a guest that
    /// panicked; where it is null, of what is optimized without checks.
    strip: ?bool = null,
    stack_bytes: u64 = stack_bytes,
};

/// What `addGuest` has made.
pub const Guest = struct {
    /// The module for Wappa.
    module: *std.Build.Step.Compile,
    /// The tests in the guest's own files, for the machine that builds.
    tests: *std.Build.Step.Compile,
};

/// Builds a guest with `zig build`, and its tests with `zig build test`. The package is a dependency of the project.
pub fn addGuest(b: *std.Build, options: GuestOptions) Guest {
    const sdk = b.dependencyFromBuildZig(@This(), .{});
    const guest = guestOf(b, sdk.module("wappa"), sdk.path("src/entry.zig"), options, optimizeOf(b, options));
    b.installArtifact(guest.module);
    const run_tests = b.addRunArtifact(guest.tests);
    b.step("test", "Test the guest on this machine, without WebAssembly").dependOn(&run_tests.step);
    return guest;
}

fn optimizeOf(b: *std.Build, options: GuestOptions) std.lang.Optimize {
    const told = b.option(std.lang.Optimize, "optimize", "How the guest is optimized: safe unless it is said");
    return options.optimize orelse told orelse .safe;
}

fn guestOf(
    b: *std.Build,
    wappa: *std.Build.Module,
    entry: std.Build.LazyPath,
    options: GuestOptions,
    optimize: std.lang.Optimize,
) Guest {
    const wasm = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .freestanding });
    const module = b.addExecutable(.{
        .name = options.name,
        .root_module = b.createModule(.{
            .root_source_file = entry,
            .target = wasm,
            .optimize = optimize,
            .strip = options.strip orelse (optimize == .fast or optimize == .small),
            .imports = &.{
                .{ .name = "wappa", .module = wappa },
                .{ .name = "guest", .module = moduleOf(b, wappa, options, null) },
            },
        }),
    });
    // A library whose functions are called: it has no beginning, and its exports stay.
    module.entry = .disabled;
    module.rdynamic = true;
    module.stack_size = options.stack_bytes;
    const tests = b.addTest(.{ .root_module = moduleOf(b, wappa, options, b.graph.host) });
    return .{ .module = module, .tests = tests };
}

fn moduleOf(
    b: *std.Build,
    wappa: *std.Build.Module,
    options: GuestOptions,
    target: ?std.Build.ResolvedTarget,
) *std.Build.Module {
    const module = b.createModule(.{ .root_source_file = options.root_source_file, .target = target });
    module.addImport("wappa", wappa);
    for (options.imports) |it| module.addImport(it.name, it.module);
    return module;
}

/// Makes the module for those who depend on the package; and the package's tests and examples.
pub fn build(b: *std.Build) void {
    const wappa = b.addModule("wappa", .{ .root_source_file = b.path("src/wappa.zig") });
    // Whoever depends on the package needs no more, and has no more of it.
    if (b.dep_prefix.len != 0) return;

    const optimize = b.option(std.lang.Optimize, "optimize", "How the examples are optimized") orelse .safe;
    const test_step = b.step("test", "Test the package and its examples on this machine, without WebAssembly");
    const package_tests = b.createModule(.{ .root_source_file = b.path("tests/wappa_test.zig"), .target = b.graph.host });
    package_tests.addImport("wappa", wappa);
    test_step.dependOn(&b.addRunArtifact(b.addTest(.{ .root_module = package_tests })).step);

    const cases = b.createModule(.{ .root_source_file = b.path("tests/cases.zig"), .target = b.graph.host });
    cases.addImport("wappa", wappa);
    cases.addAnonymousImport("cases.json", .{ .root_source_file = b.path("../examples/cases.json") });
    for ([_][]const u8{ "louder", "redact", "split", "route" }) |name| {
        const options: GuestOptions = .{
            .name = name,
            .root_source_file = b.path(b.fmt("examples/{s}.zig", .{name})),
            // What is built on one machine must not name its folders.
            .strip = true,
        };
        const guest = guestOf(b, wappa, b.path("src/entry.zig"), options, optimize);
        b.installArtifact(guest.module);
        cases.addImport(name, moduleOf(b, wappa, options, null));
    }
    test_step.dependOn(&b.addRunArtifact(b.addTest(.{ .root_module = cases })).step);
}
