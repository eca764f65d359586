//go:build !tinygo

package wappa

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// stackMax keeps a stack within one line of the host's log.
const stackMax = 3 << 10

// logStack writes where a panic happened to the log, at level debug.
func logStack(text string) {
	stack := make([]byte, stackMax)
	stack = stack[:runtime.Stack(stack, false)]
	Log(LevelDebug, text+"\n"+string(stack))
}

// framesMax is how many frames above a panic are searched for code of the guest's author.
const framesMax = 64

// place says where a panic that is being recovered from began, for the end of its text: the innermost line that is
// neither Go's nor ours, as in `, at orders/parse.go:12`. It is empty where there is none.
func place() string {
	counters := make([]uintptr, framesMax)
	// Without Callers itself.
	frames := runtime.CallersFrames(counters[:runtime.Callers(1, counters)])
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if frame.File != "" && !isForeign(frame.Function) {
			return ", at " + short(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
	}
	return ""
}

// standard has the first elements of the import paths of Go's standard library. A build with -trimpath says no
// directory by which to know it, and module paths without a dot are allowed for everybody.
var standard = []string{
	"archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed",
	"encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io", "iter", "log",
	"maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime", "slices", "sort", "strconv",
	"strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode", "unique", "unsafe", "vendor", "weak",
}

// isForeign says whether a function, named with its package, is of Go's standard library or of this package.
func isForeign(function string) bool {
	first, _, isDeep := strings.Cut(function, "/")
	if !isDeep {
		first, _, _ = strings.Cut(function, ".")
	}
	const ours = "wappa.dev/guest"
	return slices.Contains(standard, first) || strings.HasPrefix(function, ours+".") || strings.HasPrefix(function, ours+"/")
}

// short leaves a file and its directory of a path.
func short(file string) string {
	if i := strings.LastIndexByte(file, '/'); i > 0 {
		return file[strings.LastIndexByte(file[:i], '/')+1:]
	}
	return file
}
