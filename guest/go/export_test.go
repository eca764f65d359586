//go:build !wasip1

package wappa

// WithoutFunctions calls f in a guest that has registered nothing.
func WithoutFunctions(f func()) {
	n := functions
	functions = 0
	defer func() { functions = n }()
	f()
}
