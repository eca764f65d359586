package wappa

import (
	"math"
	"unicode/utf8"

	"wappa.dev/guest/internal/host"
)

// Handler is called once per message. A message that it returns an error for fails with the error's text.
//
// The message is valid until the handler returns and must not be kept; it is for one goroutine at a time.
type Handler func(m *Message) error

var (
	handler   Handler
	functions int
	onInit    []func() error
	onClose   []func()
)

// Handle registers what the exported function process does. Call it once, from an init function or a package-level
// variable: main is never called in a guest.
func Handle(h Handler) {
	if h == nil {
		panic("wappa: Handle was given no handler")
	}
	if handler != nil {
		panic("wappa: Handle was called twice; a module with several functions makes the others with wappa.Function")
	}
	handler = h
}

// Function makes a function to be exported under another name than process, for a module that has several. The
// field function of the processor chooses among them:
//
//	var redact = wappa.Function(func(m *wappa.Message) error { … })
//
//	//go:wasmexport redact
//	func exportRedact() { redact() }
func Function(h Handler) func() {
	if h == nil {
		panic("wappa: Function was given no handler")
	}
	functions++
	return func() { serve(h) }
}

// OnInit registers a function that is called once per instance, before the first message: the place to read the
// config and to prepare what all messages need. Config and Log work in it. An error is logged and keeps the stream
// from starting.
func OnInit(f func() error) { onInit = append(onInit, f) }

// OnClose registers a function that is called when an instance is retired in good health. Nobody promises that it is
// called: an instance that traps is dropped without it.
func OnClose(f func()) { onClose = append(onClose, f) }

// Config returns a value of the processor's field config, and whether it is there.
func Config(key string) (value string, ok bool) {
	// The host traps on a key that is not UTF-8, which no config can hold.
	if !utf8.ValidString(key) {
		return "", false
	}
	b, ok := read(func(buf []byte) int32 { return host.ConfigGet(key, buf) })
	return string(b), ok
}

// ConfigOr returns a value of the processor's field config, or another where there is none.
func ConfigOr(key, otherwise string) string {
	if value, ok := Config(key); ok {
		return value
	}
	return otherwise
}

// Level says how much a line of the log matters.
type Level uint32

// The levels, from the least to the most important.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// Log writes a line to the log of the stream, under the label and path of the processor. The host bounds the length
// and the number of lines.
func Log(level Level, text string) { host.Log(uint32(min(level, LevelError)), text) }

// nameMax is how long the host lets the name of a counter be.
const nameMax = 64

// Count adds to the counter metric wasm_guest_<name> of this processor; a counter only goes up. A name has ASCII letters, digits and
// underscores, at most 64 of them; another one panics.
func Count(name string, n uint64) {
	valid := 0 < len(name) && len(name) <= nameMax
	for i := 0; valid && i < len(name); i++ {
		c := name[i]
		valid = c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
	}
	if !valid {
		panic("wappa: the name of a counter has 1 to 64 ASCII letters, digits and underscores, this one is `" + name + "`")
	}
	host.CounterAdd(name, int64(min(n, math.MaxInt64)))
}
