// Builds guests in Kotlin: java -cp 'KOTLIN_COMPILER/lib/*' tools/BuildGuest.java [-l STDLIB.klib] OUTDIR NAME=SOURCE[,SOURCE…]…
//
// Each NAME becomes OUTDIR/NAME.wasm, of its sources and the library's, which are beside this file. All of them are
// compiled in one process, where the compiler is warm after the first.

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.js.KotlinWasmCompiler;

public final class BuildGuest {
    private final Path stdlib;
    private final Path work;

    private BuildGuest(Path stdlib, Path work) {
        this.stdlib = stdlib;
        this.work = work;
    }

    public static void main(String[] args) throws Exception {
        List<String> left = new ArrayList<>(List.of(args));
        Path stdlib = null;
        if (!left.isEmpty() && left.get(0).equals("-l")) {
            left.remove(0);
            stdlib = Path.of(left.remove(0));
        }
        if (left.size() < 2) {
            System.err.println("usage: BuildGuest [-l STDLIB.klib] OUTDIR NAME=SOURCE[,SOURCE]...");
            System.exit(2);
        }
        Path sdk = Path.of(System.getProperty("wappa.sdk", "."));
        Path out = Files.createDirectories(Path.of(left.remove(0)));
        Path work = Files.createTempDirectory("wappa-kotlin");
        try {
            BuildGuest build = new BuildGuest(stdlib == null ? stdlibOfCompiler() : stdlib, work);
            build.library("wappa-guest", List.of(sdk + "/src/main/kotlin", sdk + "/src/wasm/kotlin"), null);
            for (String guest : left) {
                int at = guest.indexOf('=');
                if (at < 1) throw new IllegalArgumentException("`" + guest + "` is not NAME=SOURCE");
                build.guest(guest.substring(0, at), List.of(guest.substring(at + 1).split(",")), out);
            }
        } finally {
            delete(work);
        }
        // The compiler leaves threads behind.
        System.exit(0);
    }

    /** The standard library beside the compiler, as its distribution has it. */
    private static Path stdlibOfCompiler() throws URISyntaxException {
        Path jar = Path.of(KotlinWasmCompiler.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        return jar.resolveSibling("kotlin-stdlib-wasm-wasi.klib");
    }

    private void guest(String name, List<String> sources, Path out) throws IOException {
        Path sdk = work.resolve("wappa-guest.klib");
        library(name, sources, sdk);
        Path linked = work.resolve(name + ".out");
        List<String> args = new ArrayList<>(arguments(sdk));
        args.addAll(List.of("-Xir-produce-js", "-Xir-dce", "-Xinclude=" + work.resolve(name + ".klib")));
        args.addAll(List.of("-ir-output-dir", linked.toString(), "-ir-output-name", name));
        compile(args);
        Files.copy(
            linked.resolve(name + ".wasm"), out.resolve(name + ".wasm"), StandardCopyOption.REPLACE_EXISTING);
    }

    private void library(String name, List<String> sources, Path sdk) {
        List<String> args = new ArrayList<>(arguments(sdk));
        args.addAll(List.of("-nopack", "-ir-output-dir", work.resolve(name + ".klib").toString()));
        args.addAll(List.of("-ir-output-name", name));
        args.addAll(sources);
        compile(args);
    }

    private List<String> arguments(Path sdk) {
        String libraries = sdk == null ? stdlib.toString() : stdlib + java.io.File.pathSeparator + sdk;
        return List.of(
            "-libraries", libraries, "-Xwasm-target=wasm-wasi", "-opt-in=kotlin.wasm.ExperimentalWasmInterop");
    }

    private static void compile(List<String> args) {
        ExitCode code = new KotlinWasmCompiler().exec(System.err, args.toArray(new String[0]));
        if (code != ExitCode.OK) {
            System.exit(1);
        }
    }

    private static void delete(Path dir) throws IOException {
        try (var paths = Files.walk(dir)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) Files.delete(path);
        }
    }
}
