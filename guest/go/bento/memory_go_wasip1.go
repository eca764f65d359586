//go:build !tinygo

package bento

import (
	"errors"
	"unsafe"
)

// handedOut keeps what the host asked for from the garbage collector until the host frees it.
var handedOut = map[uintptr][]byte{}

//go:wasmexport malloc
func malloc(size uint32) unsafe.Pointer {
	// One byte more than asked for: memory for nothing has an address of its own too, and is told from a failure.
	b := make([]byte, int(size)+1)
	ptr := unsafe.Pointer(unsafe.SliceData(b))
	handedOut[uintptr(ptr)] = b[:size]
	return ptr
}

//go:wasmexport free
func free(ptr unsafe.Pointer) { delete(handedOut, uintptr(ptr)) }

// take returns the bytes that the host wrote. It hands over nothing at all where it failed, and marks the message.
func take(p packed, what string) ([]byte, error) {
	b, ok := handedOut[uintptr(p>>32)]
	if !ok || len(b) < int(uint32(p)) {
		return nil, errors.New("the host did not hand over " + what)
	}
	return b[:uint32(p)], nil
}
