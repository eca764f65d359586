//go:build !wasip1

package wappatest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"testing"

	"wappa.dev/guest/internal/host"
)

// Host plays the wasm processor of a stream.
type Host struct {
	config   map[string]string
	logs     []Log
	counters map[string]int64
	run      *run
}

// Log is a line that the guest wrote to the log. Level is trace, debug, info, warn or error.
type Log struct {
	Level, Text string
}

// guests is held while a guest is called: a program contains one, as a module does.
var guests sync.Mutex

// New makes a host whose processor has this config, and starts the guest. The error is why the guest did not start.
func New(config map[string]string) (*Host, error) {
	h := &Host{config: config, counters: map[string]int64{}}
	code := int32(0)
	if trap := h.enter(func() {
		if host.Exports != nil {
			code = host.Exports.Init()
		}
	}); trap != "" {
		return nil, errors.New(trap)
	}
	if code == 0 {
		return h, nil
	}
	for i := len(h.logs) - 1; i >= 0; i-- {
		if h.logs[i].Level == "error" {
			return nil, errors.New(h.logs[i].Text)
		}
	}
	return nil, fmt.Errorf("wappa_init returned %d", code)
}

// Start makes a host as New does, fails the test when the guest does not start, and closes it when the test ends.
func Start(t testing.TB, config map[string]string) *Host {
	t.Helper()
	h, err := New(config)
	if err != nil {
		t.Fatalf("starting the guest: %s", err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("closing the guest: %s", err)
		}
	})
	return h
}

// Close retires the guest. The error says that it trapped.
func (h *Host) Close() error {
	trap := h.enter(func() {
		if host.Exports != nil {
			host.Exports.Close()
		}
	})
	if trap != "" {
		return errors.New(trap)
	}
	return nil
}

// Process gives a batch to the function process and returns, for each message, what it became: the messages that
// were sent in its place; none when it was filtered; when it failed, the message as it came in, with the reason as
// its error.
func (h *Host) Process(batch ...Message) [][]Message {
	if host.Exports == nil {
		panic("wappatest: this program contains no guest that uses package wappa; a guest that exports a function by itself is called with Call")
	}
	return h.Call(host.Exports.Process, batch...)
}

// Call gives a batch to another function that the guest exports: one that wappa.Function made, or that uses the
// functions of Bento.
func (h *Host) Call(function func(), batch ...Message) [][]Message {
	r := newRun(batch)
	h.run = r
	defer func() { h.run = nil }()
	for r.begin() {
		trap := h.enter(function)
		switch {
		case !r.over:
			// The guest asked for no next message: this one is done, and it is called again.
			if trap != "" {
				r.trap(trap)
			}
			r.finish()
		case trap != "":
			// All messages stand.
			h.Log(4, trap)
		}
	}
	return r.out
}

// Logs returns what the guest wrote to the log.
func (h *Host) Logs() []Log { return append([]Log(nil), h.logs...) }

// Counter returns what the guest added to a counter.
func (h *Host) Counter(name string) int64 { return h.counters[name] }

// enter calls the guest, with h as its host, and returns why it trapped.
func (h *Host) enter(function func()) (trap string) {
	guests.Lock()
	defer guests.Unlock()
	host.Current = h
	defer func() {
		host.Current = nil
		switch cause := recover().(type) {
		case nil:
		case trapped:
			trap = string(cause)
		default:
			trap = fmt.Sprint("trap: panic: ", cause)
			h.Log(1, trap+"\n"+string(debug.Stack()))
		}
	}()
	function()
	return ""
}
