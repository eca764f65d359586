//go:build !wasip1

// Package wappatest tests guests in a plain go test, without WebAssembly: it plays the host.
//
//	func TestLouder(t *testing.T) {
//		host := wappatest.Start(t, nil)
//		out := host.Process(wappatest.Message{Content: "hello"})
//		if got := out[0][0].Content; got != "hello!!!" {
//			t.Errorf("got %q", got)
//		}
//	}
//
// The guest is the one that the test's program contains: its handler is registered as it is in a module, and its
// init and close functions are called. What a real host does and this one cannot: it has no limits on time, memory
// and output, and a guest that traps keeps its variables.
package wappatest
