// Package wappa is for guests: WebAssembly modules that the wasm processor of Wappa calls for each message.
//
// A guest registers its handler while the program is initialized, and has a main function that is never called:
//
//	package main
//
//	import wappa "wappa.dev/guest"
//
//	func init() {
//		wappa.Handle(func(m *wappa.Message) error {
//			m.SetContent(append(m.Content(), "!!!"...))
//			return nil
//		})
//	}
//
//	func main() {}
//
// It is built with standard Go 1.24 or newer, or with TinyGo:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o louder.wasm .
//	tinygo build -target=wasip1 -buildmode=c-shared -o louder.wasm .
//
// This package exports all that the host calls: process, wappa_init and wappa_close. One call of process serves as
// many messages as the host has ready, so a handler must not rely on when its calls begin and end.
//
// # Outcomes
//
// A message goes on with all the changes that the handler made. A handler that returns an error, or panics, fails
// this one message: it goes on as it came in, marked with the reason, and what it emitted is discarded.
// [Message.Filter] keeps it from being sent, and [Message.Emit] sends copies on the way; a failure beats both.
//
// # State
//
// What a guest keeps in variables stays from message to message, within one instance. There are up to as many
// instances as the pipeline has threads, and one that trapped or ran out of time is replaced by a fresh one.
//
// # Tests
//
// Outside of WebAssembly the package talks to the mock host of package wappatest, so that a guest is tested by a
// plain go test.
package wappa
