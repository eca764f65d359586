// Builds guests in Kotlin: java -cp 'KOTLIN_COMPILER/lib/*' tools/BuildGuest.java [-l STDLIB.klib] OUTDIR NAME=SOURCE[,SOURCE…]…
//
// Each NAME becomes OUTDIR/NAME.wasm, of its sources and the library's, which are beside this file. All of them are
// compiled in one process, where the compiler is warm after the first. Then each of them gets to know its lines (`Lines`).

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.js.KotlinWasmCompiler;

public final class BuildGuest {
    private final Path stdlib;
    private final Path work;
    /** All sources of guests; their numbers are from 1. */
    private final List<Source> files = new ArrayList<>();

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
            for (String guest : left) {
                int at = guest.indexOf('=');
                if (at < 1) throw new IllegalArgumentException("`" + guest + "` is not NAME=SOURCE");
                for (String source : guest.substring(at + 1).split(",")) {
                    build.files.addAll(Source.of(Path.of(source)));
                }
            }
            List<String> library = List.of(sdk + "/src/main/kotlin", sdk + "/src/wasm/kotlin", build.names());
            build.library("wappa-guest", library, null);
            for (String guest : left) {
                int at = guest.indexOf('=');
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
        // A guest may be named like a library.
        String unit = "guest-of-" + name;
        library(unit, sources, sdk);
        Path linked = work.resolve(unit + ".out");
        List<String> args = new ArrayList<>(arguments(sdk));
        args.addAll(List.of("-Xir-produce-js", "-Xir-dce", "-Xinclude=" + work.resolve(unit + ".klib")));
        args.addAll(List.of("-source-map", "-source-map-embed-sources=never"));
        args.addAll(List.of("-ir-output-dir", linked.toString(), "-ir-output-name", unit));
        compile(args);
        byte[] module = Files.readAllBytes(linked.resolve(unit + ".wasm"));
        String map = Files.readString(linked.resolve(unit + ".wasm.map"));
        Files.write(out.resolve(name + ".wasm"), new Lines(module, map, files).known());
    }

    /** A source for the library: what the numbers of files stand for. */
    private String names() throws IOException {
        StringBuilder text = new StringBuilder("package dev.wappa.guest\n\n");
        text.append("internal fun sourceOf(number: Int): String = when (number) {\n");
        for (int i = 0; i < files.size(); i++) {
            String name = files.get(i).name().replace("\\", "/").replace("$", "\\$").replace("\"", "\\\"");
            text.append("    " + (i + 1) + " -> \"" + name + "\"\n");
        }
        text.append("    else -> \"\"\n}\n");
        return Files.writeString(work.resolve("Sources.kt"), text).toString();
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

    /** A file of a guest, and its name in what is said of its lines. */
    record Source(Path path, String name) {
        static List<Source> of(Path given) throws IOException {
            if (!Files.isDirectory(given)) return List.of(new Source(real(given), given.getFileName().toString()));
            try (var paths = Files.walk(given)) {
                List<Path> found = paths.filter(it -> it.toString().endsWith(".kt")).sorted().toList();
                List<Source> sources = new ArrayList<>();
                for (Path it : found) sources.add(new Source(real(it), given.relativize(it).toString()));
                return sources;
            }
        }

        private static Path real(Path path) throws IOException {
            return path.toAbsolutePath().normalize();
        }
    }

    /**
     * A module that knows at which line of its own sources it is: before what can throw, and where a line begins, it
     * puts the number of the file and of the line into the variable `place` of the library, which tells them of an
     * exception. Kotlin/Wasm has no traces of its own outside of browsers.
     */
    static final class Lines {
        private static final String PLACE = "dev.wappa.guest.place";
        private static final String DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        /** `throw`, `throw_ref`, `call`, `call_indirect`, `call_ref`. */
        private static final List<Integer> LEAVING = List.of(0x08, 0x0a, 0x10, 0x11, 0x14);
        private static final int I32_CONST = 0x41;
        private static final int GLOBAL_SET = 0x24;

        private final byte[] module;
        private final List<Source> files;
        /** Offsets in the module, in their order, and the place that each is of: 0 where it is of no guest's source. */
        private final List<int[]> places = new ArrayList<>();
        private int at;

        Lines(byte[] module, String map, List<Source> files) {
            this.module = module;
            this.files = files;
            readMap(map);
        }

        /** The module. One that has no such variable is as it was. */
        byte[] known() {
            int variable = variable();
            if (variable < 0) return module;
            Bytes out = new Bytes();
            out.write(module, 0, 8);
            at = 8;
            while (at < module.length) {
                int id = module[at++] & 0xff;
                int length = number();
                int end = at + length;
                if (id == 10) {
                    byte[] code = code(variable);
                    out.section(id, code);
                } else if (id != 0 || !name(at).equals("sourceMappingURL")) {
                    out.section(id, Arrays.copyOfRange(module, at, end));
                }
                at = end;
            }
            return out.toByteArray();
        }

        private byte[] code(int variable) {
            Bytes out = new Bytes();
            int n = number();
            out.number(n);
            int next = 0;
            for (int i = 0; i < n; i++) {
                int length = number();
                int end = at + length;
                int from = at;
                skipLocals();
                int first = at;
                Bytes body = new Bytes();
                while (next < places.size() && places.get(next)[0] < first) next++;
                int last = 0;
                boolean wasLeft = false;
                for (; next < places.size() && places.get(next)[0] < end; next++) {
                    int offset = places.get(next)[0];
                    int place = places.get(next)[1];
                    if (place == 0) continue;
                    if (place != last || wasLeft) {
                        body.write(module, from, offset - from);
                        from = offset;
                        body.write(I32_CONST);
                        body.signed(place);
                        body.write(GLOBAL_SET);
                        body.number(variable);
                    }
                    last = place;
                    // Another function may have put another place there.
                    wasLeft = LEAVING.contains(module[offset] & 0xff);
                }
                body.write(module, from, end - from);
                out.number(body.size());
                out.writeBytes(body.toByteArray());
                at = end;
            }
            return out.toByteArray();
        }

        private void skipLocals() {
            int n = number();
            for (int i = 0; i < n; i++) {
                number();
                int type = module[at++] & 0xff;
                // A reference names its type.
                if (type == 0x63 || type == 0x64) number();
            }
        }

        /** The number of the global that is the variable, by its name; -1 where there is none. */
        private int variable() {
            at = 8;
            while (at < module.length) {
                int id = module[at++] & 0xff;
                int length = number();
                int end = at + length;
                if (id == 0 && name(at).equals("name")) {
                    number();
                    at += "name".length();
                    while (at < end) {
                        int kind = module[at++] & 0xff;
                        int size = number();
                        int over = at + size;
                        if (kind == 7) {
                            int n = number();
                            for (int i = 0; i < n; i++) {
                                int index = number();
                                String name = name(at);
                                if (name.equals(PLACE)) return index;
                                int bytes = number();
                                at += bytes;
                            }
                        }
                        at = over;
                    }
                }
                at = end;
            }
            return -1;
        }

        /** A text with its length before it; the reader stays where it is. */
        private String name(int start) {
            int before = at;
            at = start;
            int length = number();
            String name = new String(module, at, Math.min(length, module.length - at), StandardCharsets.UTF_8);
            at = before;
            return name;
        }

        private int number() {
            int result = 0;
            for (int shift = 0; ; shift += 7) {
                int it = module[at++];
                result |= (it & 0x7f) << shift;
                if (0 <= it) return result;
            }
        }

        private void readMap(String map) {
            List<Integer> numbers = new ArrayList<>();
            String sources = field(map, "\"sources\":\\[([^\\]]*)\\]");
            Matcher source = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(sources);
            while (source.find()) numbers.add(fileOf(source.group(1)));
            int[] state = new int[4];
            for (String segment : field(map, "\"mappings\":\"([^\"]*)\"").split(",")) {
                if (segment.isEmpty()) continue;
                int count = 0;
                int value = 0;
                int shift = 0;
                for (char letter : segment.toCharArray()) {
                    int digit = DIGITS.indexOf(letter);
                    value |= (digit & 31) << shift;
                    shift += 5;
                    if ((digit & 32) == 0) {
                        if (count < state.length) state[count] += (value & 1) == 0 ? value >> 1 : -(value >> 1);
                        count++;
                        value = 0;
                        shift = 0;
                    }
                }
                int file = count < 4 ? 0 : numbers.get(state[1]);
                places.add(new int[] {state[0], file == 0 ? 0 : file << 20 | state[2] + 1 & 0xfffff});
            }
        }

        /** The number of the guest's file that is meant; 0 where it is another one. */
        private int fileOf(String source) {
            String end = "/" + source.replaceFirst("^(\\.\\.?/)+", "");
            for (int i = 0; i < files.size(); i++) {
                if (files.get(i).path().toString().replace("\\", "/").endsWith(end)) return i + 1;
            }
            return 0;
        }

        private static String field(String json, String pattern) {
            Matcher found = Pattern.compile(pattern).matcher(json);
            return found.find() ? found.group(1) : "";
        }
    }

    /** Bytes of a module. */
    private static final class Bytes extends ByteArrayOutputStream {
        void number(int value) {
            int rest = value;
            while (0x7f < rest) {
                write(rest & 0x7f | 0x80);
                rest >>>= 7;
            }
            write(rest);
        }

        /** A number that is 0 or more where a sign is expected. */
        void signed(int value) {
            int rest = value;
            while (0x3f < rest) {
                write(rest & 0x7f | 0x80);
                rest >>>= 7;
            }
            write(rest);
        }

        void section(int id, byte[] content) {
            write(id);
            number(content.length);
            writeBytes(content);
        }
    }
}
