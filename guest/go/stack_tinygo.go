//go:build tinygo

package wappa

// TinyGo keeps no stack to be read.
func logStack(text, place string) {}

func forget() {}

func place() string { return "" }
