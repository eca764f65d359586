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

// nearMax is how many frames above a panic are read first, those of the runtime among them: to read one takes most of
// what a panic costs.
const nearMax = 4

// framesMax is how many frames above a panic are searched for code of the guest's author.
const framesMax = 64

// placesMax is how many places are remembered. A guest with more of them forgets all and begins anew.
const placesMax = 256

var (
	// places has what is said of panics whose nearest frames are these.
	places = map[[nearMax]uintptr]string{}
	// logged has those whose stack is in the log.
	logged = map[string]bool{}
)

// forget begins a new instance.
func forget() {
	clear(places)
	clear(logged)
}

// logStack writes where a panic happened to the log, at level debug, the first time that it happens there.
func logStack(text, place string) {
	if place == "" {
		place = text
	}
	if logged[place] {
		return
	}
	if len(logged) == placesMax {
		clear(logged)
	}
	logged[place] = true
	stack := make([]byte, stackMax)
	stack = stack[:runtime.Stack(stack, false)]
	Log(LevelDebug, text+"\n"+string(stack))
}

// place says where a panic that is being recovered from began, for the end of its text: the innermost line that is
// neither Go's nor ours, as in `, at orders/parse.go:12`. It is empty where there is none.
func place() string {
	var near [nearMax]uintptr
	// Without Callers, this function and the one that recovers.
	const skipped = 3
	n := runtime.Callers(skipped, near[:])
	if at, ok := places[near]; ok {
		return at
	}
	if at := innermost(near[:n]); at != "" {
		if len(places) == placesMax {
			clear(places)
		}
		places[near] = at
		return at
	}
	// A panic deep in a library: what is near does not tell who called it.
	counters := make([]uintptr, framesMax)
	return innermost(counters[:runtime.Callers(skipped, counters)])
}

// innermost says the first line of frames that is neither Go's nor ours.
func innermost(counters []uintptr) string {
	if len(counters) == 0 {
		return ""
	}
	frames := runtime.CallersFrames(counters)
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
