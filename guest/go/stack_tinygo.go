//go:build tinygo

package wappa

// TinyGo keeps no stack to be read.
func logStack(string) {}

func place() string { return "" }
