//go:build tinygo

package bento

import "unsafe"

// TinyGo exports malloc and free by itself.

// take returns the bytes that the host wrote. TinyGo's malloc returns 0 for nothing, so that an empty value is not
// told from a failure of the host, which marks the message by itself.
func take(p packed, _ string) ([]byte, error) {
	if uint32(p) == 0 {
		return []byte{}, nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(p>>32))), uint32(p)), nil
}
