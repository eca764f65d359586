package bento

import "unsafe"

//go:wasmimport bento_wasm v0_msg_as_bytes
func v0MsgAsBytes() uint64

//go:wasmimport bento_wasm v0_msg_set_bytes
//go:noescape
func v0MsgSetBytes(ptr unsafe.Pointer, size uint32)

//go:wasmimport bento_wasm v0_msg_get_meta
//go:noescape
func v0MsgGetMeta(key unsafe.Pointer, keySize uint32) uint64

//go:wasmimport bento_wasm v0_msg_set_meta
//go:noescape
func v0MsgSetMeta(key unsafe.Pointer, keySize uint32, value unsafe.Pointer, valueSize uint32)

// packed is pointer and length of bytes in memory that the host got from malloc.
type packed = uint64

func msgAsBytes() packed { return v0MsgAsBytes() }

func msgSetBytes(b []byte) { v0MsgSetBytes(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) }

func msgGetMeta(key string) packed {
	return v0MsgGetMeta(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)))
}

func msgSetMeta(key, value string) {
	v0MsgSetMeta(
		unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)),
		unsafe.Pointer(unsafe.StringData(value)), uint32(len(value)),
	)
}
