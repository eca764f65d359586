//! `new`: what it makes, and that it builds and passes its test where the toolchain is there.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use expect_test::expect;

use crate::{
    check,
    support::{Program, shell},
};

/// A project for a language, outside of any other project.
fn project(name: &str, flags: &[&str]) -> Program {
    let program = Program::new(&format!("new-{name}"));
    let mut arguments = vec!["new", name];
    arguments.extend(flags);
    let ended = program.run(&arguments);
    assert_eq!(ended.code, Some(0), "{ended}");
    program
}

/// A script for the shell, which finds the toolchains of this machine. They see nothing else of it: neither settings nor
/// the test's own build.
fn toolchain(script: &str, dir: &Path) -> Command {
    let mut shell = shell(script, dir);
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "WASI_SDK_PATH"] {
        shell.envs(env::var_os(name).map(|it| (name, it)));
    }
    shell.stdin(Stdio::null());
    shell
}

/// Runs a command in a project, however long it takes; it must succeed. The variables are those of the toolchain.
fn run(dir: &Path, command: &str, variables: &[(&str, String)]) -> String {
    let script = format!("wappa() {{ \"$WAPPA\" \"$@\"; }}\n{command} 2>&1");
    let mut shell = toolchain(&script, dir);
    shell.envs(variables.iter().map(|(name, value)| (name, value)));
    let ended = shell.output().expect("there is a shell");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "$ {command}\n{text}");
    text
}

fn has(command: &str) -> bool {
    let mut shell = toolchain(command, Path::new(env!("CARGO_TARGET_TMPDIR")));
    shell.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}

/// Builds it, runs its fixtures, and sends a message through its stream.
fn check_project(dir: &Path, module: &str, variables: &[(&str, String)]) {
    check_project_built(dir, module, "", variables);
}

/// The same, with flags of `wappa dev` that say how to build it.
fn check_project_built(dir: &Path, module: &str, flags: &str, variables: &[(&str, String)]) {
    // Other builds may be under way on this machine, and this program is built without optimizations.
    let limits = "--compile-time-limit 20m --compile-cpu-limit 20m";
    let text = run(dir, &format!("wappa dev --once {flags} {limits}"), variables);
    assert!(
        text.ends_with("passed  names\npassed  not-text\npassed  welcome\n3 fixtures passed\n"),
        "{text}"
    );
    let text = run(dir, &format!("wappa lint stream.yaml && echo ann | wappa -c stream.yaml {limits}"), &[]);
    assert!(text.lines().any(|it| it == "hello, ann!"), "{text}");
    let text = run(dir, &format!("echo ann | wappa call {module} --brief {limits}"), &[]);
    assert_eq!(text, "#1 kept\n  content  hello, ann!\n  meta     greeted: true\n");
}

/// A compiler as new as the project asks for; it must not fetch one.
const HAS_GO: &str =
    "case $(GOTOOLCHAIN=local go env GOVERSION) in go1.2[4-9]*|go1.[3-9][0-9]*) ;; *) exit 1; esac";

#[test]
fn a_project_in_go() {
    if !has(HAS_GO) {
        return eprintln!("there is no Go 1.24: the project is not built");
    }
    let program = project("go-greeter", &["--lang", "go"]);
    let dir = program.dir().join("go-greeter");
    let offline = [
        ("GOFLAGS", "-mod=mod".to_string()),
        ("GOPROXY", "off".to_string()),
        ("GOWORK", "off".to_string()),
        ("GOENV", "off".to_string()),
    ];
    run(&dir, "go test ./... && go vet ./... && test -z \"$(gofmt -l *.go)\"", &offline);
    check_project(&dir, "go-greeter.wasm", &offline);
}

/// What the project's Makefile asks, too, and what its tests are built with.
const HAS_C: &str = "make --version && \
                     echo 'int main(void) { return 0; }' | cc -fsanitize=address,undefined -xc - -o /dev/null || exit
                     clang=$(command -v clang-22 || command -v clang) && \
                     echo 'int f(void) { return 0; }' | $clang --target=wasm32-wasi -mexec-model=reactor \
                     -include stdlib.h -xc - -o /dev/null || zig version";

/// Whether clang can be told to do without one.
const KNOWS_OPTIMIZERS: &str = "clang=$(command -v clang-22 || command -v clang) && \
                                $clang --target=wasm32-wasi --no-wasm-opt -E -xc /dev/null";

#[test]
fn a_project_in_c() {
    if !has(HAS_C) {
        return eprintln!("there is no C compiler for WebAssembly: the project is not built");
    }
    for (name, flags) in
        [("c-module", &["--lang", "c"][..]), ("c-component", &["--lang", "c", "--component"])]
    {
        let program = project(name, flags);
        let dir = program.dir().join(name);
        let text = run(&dir, "make test", &[]);
        assert!(text.ends_with("2 tests passed\n") && !text.contains("warning"), "{text}");
        check_project(&dir, &format!("build/{name}.wasm"), &[]);
        // A module with the lines of its source says where it trapped.
        let source = fs::read_to_string(dir.join("src/guest.c")).expect("it was made");
        let source = source.replace("wappa_filter();", "__builtin_trap();");
        fs::write(dir.join("src/guest.c"), source).expect("it can be written");
        // Also where clang finds an optimizer, which would take them away.
        let optimizer = dir.join("optimizer");
        fs::create_dir(&optimizer).expect("it can be made");
        fs::write(optimizer.join("wasm-opt"), "#!/bin/sh\nexit 1\n").expect("it can be written");
        let path = if has(KNOWS_OPTIMIZERS) { "PATH=$PWD/optimizer:$PATH" } else { "" };
        let command = format!(
            "chmod +x optimizer/* && {path} make -s DEBUG=1 && ! echo | wappa call build/{name}.wasm"
        );
        let text = run(&dir, &command, &[]);
        assert!(text.contains("  reason   trap: ") && text.contains("src/guest.c:"), "{text}");
        // A plain build has none again.
        let text = run(&dir, &format!("make -s && ! echo | wappa call build/{name}.wasm"), &[]);
        assert!(text.contains("  reason   trap: ") && !text.contains("src/guest.c:"), "{text}");
        let text = run(&dir, "make", &[]);
        assert!(!text.contains(" -o "), "{text}");
        let text = run(&dir, &format!("wappa inspect build/{name}.wasm"), &[]);
        assert_eq!(text.contains("tier      component"), name == "c-component", "{text}");
    }
}

#[test]
fn a_project_in_c_without_a_compiler() {
    if !has("make --version") {
        return eprintln!("there is no make: nothing is built");
    }
    let program = project("c-bare", &["--lang", "c"]);
    let alone = "mkdir bin && ln -s \"$(command -v make)\" bin && ! WASI_SDK_PATH= PATH=$PWD/bin make";
    let text = run(&program.dir().join("c-bare"), alone, &[]);
    expect![[r#"
        Makefile:N: *** there is no compiler for WebAssembly: install clang, lld and wasi-libc, or a WASI SDK and set WASI_SDK_PATH, or zig, which `pip install ziglang` brings.  Stop.
    "#]]
    .assert_eq(&text.replace(|it: char| it.is_ascii_digit(), "N").replace("NN", "N"));
}

/// The variables with which cargo builds for WebAssembly here; none where it cannot.
fn rust_for_wasm() -> Option<Vec<(&'static str, String)>> {
    let target = "--target wasm32-unknown-unknown";
    if has(&format!("ls \"$(${{RUSTC:-rustc}} --print target-libdir {target})\"/libstd-*.rlib")) {
        return Some(Vec::new());
    }
    // Debian's compiler, which brings the sources of the standard library instead. One that is being installed does
    // not do.
    let is_installed =
        |it: &str| has(&format!("dpkg-query -W -f '${{db:Status-Status}}' {it} | grep -qx installed"));
    let is_debian =
        ["rustc-web", "rust-web-src", "lld-22"].into_iter().all(is_installed) && has("command -v wasm-ld-22");
    let variables = [
        ("RUSTC", "/usr/bin/rustc"),
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22"),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort"),
    ];
    is_debian.then(|| variables.map(|(name, value)| (name, value.to_string())).into())
}

#[test]
fn a_project_in_rust() {
    // The standard library is built once for all projects and runs.
    let target = ("CARGO_TARGET_DIR", format!("{}/rust-guests", env!("CARGO_TARGET_TMPDIR")));
    let offline = ("CARGO_NET_OFFLINE", "true".to_string());
    let for_wasm = rust_for_wasm();
    for (name, flags) in
        [("rust-module", &["--lang", "rust"][..]), ("rust-component", &["--lang", "rust", "--component"])]
    {
        let program = project(name, flags);
        let dir = program.dir().join(name);
        let mut variables = vec![target.clone(), offline.clone()];
        let text = run(&dir, "cargo test", &variables);
        assert!(text.contains("test result: ok. 2 passed") && !text.contains("warning"), "{text}");
        // The smallest of Rust's profiles comes without it.
        if has("cargo fmt --version") {
            let as_usual = "--config max_width=100,use_small_heuristics=Default";
            run(&dir, &format!("cargo fmt --check -- {as_usual}"), &variables);
        }
        let Some(for_wasm) = &for_wasm else {
            eprintln!("there is no Rust for WebAssembly: the project is not built");
            continue;
        };
        variables.extend(for_wasm.iter().cloned());
        let module = format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_"));
        let built = format!("{}/wasm32-unknown-unknown/release", target.1);
        fs::create_dir_all(dir.join("target/wasm32-unknown-unknown")).expect("a folder can be made");
        fs::create_dir_all(&built).expect("a folder can be made");
        std::os::unix::fs::symlink(built, dir.join("target/wasm32-unknown-unknown/release")).expect("a link");
        // What Debian's sources of the standard library depend on must have been fetched at some time.
        let build = "cargo build --release --target wasm32-unknown-unknown 2>&1 || true";
        if run(&dir, build, &variables).contains("you're using offline mode") {
            eprintln!("what Rust's standard library depends on was never fetched: the project is not built");
            continue;
        }
        check_project(&dir, &module, &variables);
    }
}

/// What `npm ci` installs for the library, which projects need, too.
fn node_modules() -> Option<PathBuf> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/js/node_modules");
    let is_there = |it: &&str| modules.join(it).join("package.json").is_file();
    let packages = ["componentize-qjs", "esbuild", "typescript", "@types/node"];
    (packages.iter().all(is_there) && has("node --version && npm --version")).then_some(modules)
}

#[test]
fn a_project_in_javascript_and_typescript() {
    let Some(modules) = node_modules() else {
        return eprintln!("there is no Node.js with the packages of `guest/js`: the projects are not built");
    };
    for (name, language, source) in
        [("js-greeter", "js", "src/guest.js"), ("ts-greeter", "ts", "src/guest.ts")]
    {
        let program = project(name, &["--lang", language]);
        let dir = program.dir().join(name);
        // What `npm install` does with a network.
        let install = format!(
            "mkdir node_modules && ln -s '{}'/* node_modules && ln -s ../sdk node_modules/wappa-guest && \
             mkdir node_modules/.bin && ln -s '{}'/.bin/* node_modules/.bin && \
             ln -s ../../sdk/bin/wappa-guest.js node_modules/.bin/wappa-guest && \
             chmod +x sdk/bin/wappa-guest.js",
            modules.display(),
            modules.display()
        );
        run(&dir, &install, &[]);
        let text = run(&dir, "npm test", &[]);
        assert!(text.contains("# pass 2\n") && text.contains("# fail 0\n"), "{text}");
        check_project(&dir, &format!("build/{name}.wasm"), &[]);
        // An exception says where it comes from. What is random is so in each instance, and not since the build.
        let source = dir.join(source);
        let text = fs::read_to_string(&source).expect("it was made");
        let thrown = "  const name = message.text;\n  \
                      if (name === \"bad\") throw new RangeError(`bad ${crypto.randomUUID()} ${Math.random()}`);\n";
        fs::write(&source, text.replace("  const name = message.text;\n", thrown))
            .expect("it can be written");
        let line = 1 + text.lines().position(|it| it.contains("const name")).expect("it is there");
        let limits = "--compile-time-limit 20m --compile-cpu-limit 20m";
        run(&dir, "npm run build", &[]);
        let call = format!("! echo bad | wappa call build/{name}.wasm --brief {limits}");
        let place = source.strip_prefix(&dir).expect("it is in it").display().to_string();
        let end = format!(", at {place}:{}", line + 1);
        let random = || {
            let text = run(&dir, &call, &[]);
            let reason = text.lines().find_map(|it| it.strip_prefix("  reason   fail: RangeError: bad "));
            let random = reason.and_then(|it| it.strip_suffix(&end)).unwrap_or_else(|| panic!("{text}"));
            let (uuid, number) = random.split_once(' ').unwrap_or_else(|| panic!("{text}"));
            (uuid.to_string(), number.to_string())
        };
        let (first, second) = (random(), random());
        assert!(first.0 != second.0 && first.1 != second.1, "{first:?} {second:?}");
        // What would fail each message is refused when it is built.
        let text = fs::read_to_string(&source)
            .expect("it was made")
            .replace("function process", "async function process");
        fs::write(&source, text.replace(": void", "")).expect("it can be written");
        let text = run(&dir, "! node node_modules/.bin/wappa-guest build src/guest.*s -o x.wasm", &[]);
        assert!(text.starts_with("`process` is asynchronous, and a guest is called synchronously"), "{text}");
    }
}

/// A Python that has the tool, or finds it.
const HAS_PYTHON: &str =
    "python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' && componentize-py --version";

#[test]
fn a_project_in_python() {
    if !has(HAS_PYTHON) {
        return eprintln!("there is no Python with componentize-py: the project is not built");
    }
    let program = project("py-greeter", &["--lang", "python"]);
    let dir = program.dir().join("py-greeter");
    let text = run(&dir, "python3 -m unittest", &[]);
    assert!(text.contains("Ran 2 tests in ") && text.ends_with("\nOK\n"), "{text}");
    check_project(&dir, "guest.wasm", &[]);
    let source = dir.join("guest.py");
    let text = fs::read_to_string(&source).expect("it was made");
    fs::write(&source, text.replace("def greet", "async def greet")).expect("it can be written");
    let text = run(&dir, "! python3 sdk/src/wappa_guest build guest.py -o x.wasm", &[]);
    assert!(
        text.contains("TypeError: `greet` is asynchronous, and a guest is called synchronously"),
        "{text}"
    );
}

/// One of the version that the project asks for.
const HAS_ZIG: &str = "zig version || python3 -m ziglang version";

/// How it is called here: the one that `pip install ziglang` brings is no program of its own.
const ZIG: &str = "zig=$(command -v zig || echo python3 -m ziglang)";

/// What the project's build.zig says, for the compiler alone.
const ZIG_BUILD: &str = "mkdir -p zig-out/bin
$zig build-exe -target wasm32-freestanding -O ReleaseSafe -fno-entry -rdynamic --stack 131072 \
--dep wappa --dep guest -Mroot=sdk/src/entry.zig -Mwappa=sdk/src/wappa.zig --dep wappa -Mguest=src/guest.zig \
-femit-bin=zig-out/bin/zig-greeter.wasm";

#[test]
fn a_project_in_zig() {
    if !has(&format!("version=$({HAS_ZIG}) && case $version in 0.17.*) ;; *) exit 1; esac")) {
        return eprintln!("there is no zig 0.17: the project is not built");
    }
    let program = project("zig-greeter", &["--lang", "zig"]);
    let dir = program.dir().join("zig-greeter");
    // `zig build` compiles zig's own build system, a minute and more of processor time: only where somebody keeps what
    // comes of it.
    let kept: Vec<_> =
        env::var("ZIG_GLOBAL_CACHE_DIR").map(|it| ("ZIG_GLOBAL_CACHE_DIR", it)).into_iter().collect();
    let (test, build) = match kept.is_empty() {
        true => ("$zig test --dep wappa -Mroot=src/guest.zig -Mwappa=sdk/src/wappa.zig", ZIG_BUILD),
        false => ("$zig build test --summary all", "$zig build"),
    };
    fs::write(dir.join("build.sh"), format!("set -e\n{ZIG}\n{build}\n")).expect("it can be written");
    let test = format!("{ZIG}\n{{ {test} && $zig fmt --check . && $zig ast-check build.zig; }}");
    let text = run(&dir, &test, &kept);
    assert!(text.contains("2/2 tests passed") || text.contains("All 2 tests passed"), "{text}");
    let dev = if kept.is_empty() { "--build 'sh build.sh'" } else { "" };
    check_project_built(&dir, "zig-out/bin/zig-greeter.wasm", dev, &kept);
    // An error fails its message with its name, or with what is said of it and its place; a panic says what it is.
    let source = dir.join("src/guest.zig");
    let text = fs::read_to_string(&source).expect("it was made");
    let mistakes = "    if (std.mem.eql(u8, name, \"bad\")) return error.BadName;\n    \
                    if (name.len == 5) return m.failedAt(@src(), \"{s} is bad\", .{name});\n    \
                    if (name[0] == 'p') _ = name[name.len + name.len];\n";
    let start = "    if (name.len == 0)";
    fs::write(&source, text.replace(start, &format!("{mistakes}{start}"))).expect("it can be written");
    let line = 2 + text.lines().position(|it| it.starts_with(start)).expect("it is there");
    let call =
        "sh build.sh && ! printf 'bad\\nworse\\npan\\nann\\n' | wappa call zig-out/bin/zig-greeter.wasm";
    let text = run(&dir, call, &kept);
    assert!(text.contains("  reason   fail: BadName\n"), "{text}");
    assert!(text.contains(&format!("  reason   fail: worse is bad, at guest.zig:{line}\n")), "{text}");
    assert!(text.contains("panic: index out of bounds: index 6, len 3"), "{text}");
    assert!(text.contains(&format!("src/guest.zig:{}", line + 1)), "{text}");
    assert!(text.contains("  content  hello, ann!\n"), "{text}");
}

#[test]
fn a_project_in_assemblyscript() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/assemblyscript/node_modules");
    if !modules.join("assemblyscript/package.json").is_file() || !has("node --version && npm --version") {
        return eprintln!(
            "there is no Node.js with the packages of `guest/assemblyscript`: the project is not built"
        );
    }
    let program = project("as-greeter", &["--lang", "assemblyscript"]);
    let dir = program.dir().join("as-greeter");
    let text = run(&dir, "! wappa dev --once", &[]);
    assert!(text.contains("hint: what builds it is not installed: `npm install`"), "{text}");
    // What `npm install` does with a network.
    let install = format!(
        "mkdir node_modules && ln -s '{modules}/assemblyscript' '{modules}/binaryen' '{modules}/long' node_modules && \
         ln -s ../sdk node_modules/as-wappa && ln -s '{modules}/.bin' node_modules",
        modules = modules.display()
    );
    run(&dir, &install, &[]);
    let text = run(&dir, "npm test", &[]);
    assert!(text.contains("# pass 2\n") && text.contains("# fail 0\n"), "{text}");
    check_project(&dir, "build/as-greeter.wasm", &[]);
    // An exception says where it comes from, and the instance goes on.
    let source = dir.join("assembly/index.ts");
    let text = fs::read_to_string(&source).expect("it was made");
    let start = "  const name = message.text;\n";
    let thrown = "  if (name == \"bad\") throw new RangeError(\"bad name\");\n  greeting += \"o\";\n";
    fs::write(&source, text.replace(start, &format!("{start}{thrown}"))).expect("it can be written");
    let line = 2 + text.lines().position(|it| it.contains("const name")).expect("it is there");
    let limits = "--compile-time-limit 20m --compile-cpu-limit 20m";
    let call = format!(
        "npm run build && ! printf 'ann\\nbad\\nann\\n' | wappa call build/as-greeter.wasm --brief {limits}"
    );
    let text = run(&dir, &call, &[]);
    assert!(text.contains(&format!("  reason   fail: bad name, at assembly/index.ts:{line}\n")), "{text}");
    assert!(
        text.contains("  content  helloo, ann!\n") && text.contains("  content  hellooo, ann!\n"),
        "{text}"
    );
    // What is no guest is refused when it is built.
    fs::write(&source, "export function other(): void {}\n").expect("it can be written");
    let text = run(&dir, "! npm run build", &[]);
    assert!(
        text.contains("assembly/index.ts exports no `function process(message: Message): void`"),
        "{text}"
    );
}

/// What Maven was made to fetch: nothing is fetched here.
const HAS_KOTLIN: &str = "java --version && mvn --version && cd ~/.m2/repository/org && \
                          ls jetbrains/kotlin/kotlin-stdlib-wasm-wasi/2.4.20/*.klib codehaus/mojo/exec-maven-plugin/3.1.1/*.jar \
                          jetbrains/kotlin/kotlin-maven-plugin/2.4.20/*.jar junit/jupiter/junit-jupiter-engine/5.10.1/*.jar";

#[test]
fn a_project_in_kotlin() {
    if !has(HAS_KOTLIN) {
        return eprintln!("there is no Java with what Maven fetches for Kotlin: the project is not built");
    }
    // Named like its standard library.
    let program = project("kotlin", &["--lang", "kotlin"]);
    let dir = program.dir().join("kotlin");
    run(&dir, "mvn -q -B -o test", &[]);
    let reports = run(&dir, "cat target/surefire-reports/*.txt", &[]);
    assert!(reports.contains("Tests run: 2, Failures: 0, Errors: 0, Skipped: 0"), "{reports}");
    // An exception fails its message with its line, and the instance goes on.
    let source = dir.join("src/main/kotlin/Guest.kt");
    let text = fs::read_to_string(&source).expect("it was made");
    let start = "    val name = message.text\n";
    let thrown = "    if (name == \"bad\") error(\"bad name\")\n";
    assert!(text.contains(start), "{text}");
    fs::write(&source, text.replace(start, &format!("{start}{thrown}"))).expect("it can be written");
    check_project_built(&dir, "target/kotlin.wasm", "--build 'mvn -q -B -o exec:exec@wasm'", &[]);
    let call = "! printf 'ann\\nbad\\nann\\n' | wappa call target/kotlin.wasm --brief";
    let text = run(&dir, call, &[]);
    assert!(text.contains("  reason   fail: IllegalStateException: bad name, at Guest.kt:22\n"), "{text}");
    assert_eq!(text.matches("  content  hello, ann!\n").count(), 2, "{text}");
    // A mistake is what the compiler says of it, without the stack of the plugin that ran it.
    let text = fs::read_to_string(&source).expect("it was made").replace("message.text = ", "message.txt = ");
    fs::write(&source, text).expect("it can be written");
    let text = run(&dir, "! mvn -q -B -o exec:exec@wasm", &[]);
    assert!(text.contains("src/main/kotlin/Guest.kt:24:13: error: unresolved reference 'txt'"), "{text}");
    assert!(!text.contains("ExecuteException"), "{text}");
}

#[test]
fn files_and_refusals() {
    let program = Program::new("new-refused").file("full/file", "").file("empty/x", "");
    fs::remove_file(program.dir().join("empty/x")).expect("it is there");
    let commands = [
        "new full --lang go",
        "new Greeter --lang rust",
        "new test --lang rust",
        "new main --lang go",
        "new .. --lang c",
        "new greeter --lang go --component",
        "new full/file/x --lang c",
    ];
    check(
        &program,
        &commands,
        expect![[r#"
            $ wappa new full --lang go
            exit 1
            --- stderr
            full: is there already and not empty: choose another name, or remove it

            $ wappa new Greeter --lang rust
            exit 1
            --- stderr
            `Greeter` is no name for a project: it begins with a lower-case letter, and has lower-case letters, digits, `-` and `_`, at most 64
            hint: `wappa new greeter --lang rust`

            $ wappa new test --lang rust
            exit 1
            --- stderr
            `test` means something else in Rust: choose another name

            $ wappa new main --lang go
            exit 1
            --- stderr
            `main` means something else in Go: choose another name

            $ wappa new .. --lang c
            exit 1
            --- stderr
            `..` is no name for a project: it begins with a lower-case letter, and has lower-case letters, digits, `-` and `_`, at most 64
            hint: `wappa new greeter --lang rust`

            $ wappa new greeter --lang go --component
            exit 1
            --- stderr
            a guest in Go is a module of interface v1; components are made in Rust, C, JavaScript, TypeScript and Python

            $ wappa new full/file/x --lang c
            exit 1
            --- stderr
            full/file/x: not a directory

        "#]],
    );
    let ended = program.run(&["new", "empty", "--lang", "go"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended.stdout.starts_with("made empty, a guest in Go\n\n  cd empty\n  go test ./...\n"),
        "{ended}"
    );
    let ended = program.run(&["new", "greeter"]);
    assert!(
        ended.stderr.starts_with("Usage error: ")
            && ended.stderr.contains("--lang <rust, go, c, js, ts, python, zig, assemblyscript or kotlin>"),
        "{ended}"
    );
    let mut files = Vec::new();
    below(&program.dir().join("empty"), "", &mut files);
    files.retain(|it| !it.starts_with("sdk/"));
    files.sort();
    let expected = [
        ".gitignore",
        "README.md",
        "fixtures/names.in",
        "fixtures/names.out",
        "fixtures/not-text.in",
        "fixtures/not-text.out",
        "fixtures/welcome.args",
        "fixtures/welcome.in",
        "fixtures/welcome.out",
        "go.mod",
        "main.go",
        "main_test.go",
        "stream.yaml",
    ];
    assert_eq!(files, expected);
}

fn below(dir: &Path, prefix: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let name = format!("{prefix}{}", entry.file_name().display());
        match entry.path().is_dir() {
            true => below(&entry.path(), &format!("{name}/"), files),
            false => files.push(name),
        }
    }
}
