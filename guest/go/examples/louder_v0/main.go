// Louder_v0 appends "!!!" to the content with the functions of Bento's wasm processor.
package main

import tinygo "wappa.dev/guest/bento"

//go:wasmexport process
func process() {
	content, err := tinygo.GetMsgAsBytes()
	if err != nil {
		panic(err)
	}
	if err := tinygo.SetMsgBytes(append(content, "!!!"...)); err != nil {
		panic(err)
	}
}

func main() {}
