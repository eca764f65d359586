// Package bento is for guests that use the functions of Bento's wasm processor (import module bento_wasm, tier v0).
//
// It has the names of Bento's own package for TinyGo, public/wasm/tinygo, so that a guest made for that one changes
// its import line only:
//
//	import tinygo "wappa.dev/guest/bento"
//
// Such a guest exports its function by itself, one call per message:
//
//	//go:wasmexport process
//	func process() { … }
//
// (with TinyGo also by //export process, as Bento's guests do). It is built with TinyGo for Bento and for Wappa, and
// with standard Go for Wappa: a module of standard Go must be initialized by _initialize, which Bento does not call.
//
// In tests the functions talk to the mock host of package wappatest. A new guest is better off with package wappa:
// here no message can be filtered, split or failed, and a missing metadata value is not told from an empty one.
package bento
