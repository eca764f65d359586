package host

import "unsafe"

//go:wasmimport wappa v1_content_len
func contentLen() uint32

//go:wasmimport wappa v1_content_read
//go:noescape
func contentRead(offset uint32, ptr unsafe.Pointer, size uint32) uint32

//go:wasmimport wappa v1_content_write
//go:noescape
func contentWrite(ptr unsafe.Pointer, size uint32)

//go:wasmimport wappa v1_meta_get
//go:noescape
func metaGet(key unsafe.Pointer, keySize uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport wappa v1_meta_get_json
//go:noescape
func metaGetJSON(key unsafe.Pointer, keySize uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport wappa v1_meta_set
//go:noescape
func metaSet(key unsafe.Pointer, keySize uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport wappa v1_meta_set_json
//go:noescape
func metaSetJSON(key unsafe.Pointer, keySize uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport wappa v1_meta_delete
//go:noescape
func metaDelete(key unsafe.Pointer, keySize uint32) int32

//go:wasmimport wappa v1_meta_keys
//go:noescape
func metaKeys(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport wappa v1_error_get
//go:noescape
func errorGet(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport wappa v1_error_clear
func errorClear()

//go:wasmimport wappa v1_emit
func emit()

//go:wasmimport wappa v1_filter
func filter()

//go:wasmimport wappa v1_fail
//go:noescape
func fail(ptr unsafe.Pointer, size uint32)

//go:wasmimport wappa v1_next
func next() int32

//go:wasmimport wappa v1_batch_index
func batchIndex() int32

//go:wasmimport wappa v1_batch_len
func batchLen() int32

//go:wasmimport wappa v1_config_get
//go:noescape
func configGet(key unsafe.Pointer, keySize uint32, ptr unsafe.Pointer, size uint32) int32

//go:wasmimport wappa v1_log
//go:noescape
func log(level uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport wappa v1_counter_add
//go:noescape
func counterAdd(name unsafe.Pointer, nameSize uint32, delta int64)

// bytesAt returns where bytes are, without looking at the first of them: there may be none.
func bytesAt(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}

func textAt(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// ContentLen is the length of the content.
func ContentLen() uint32 { return contentLen() }

// ContentRead copies content from an offset and returns how many bytes it copied.
func ContentRead(offset uint32, buf []byte) uint32 {
	ptr, size := bytesAt(buf)
	return contentRead(offset, ptr, size)
}

// ContentWrite replaces the content.
func ContentWrite(content []byte) { contentWrite(bytesAt(content)) }

// MetaGet is the value of a key as text.
func MetaGet(key string, buf []byte) int32 {
	keyPtr, keySize := textAt(key)
	ptr, size := bytesAt(buf)
	return metaGet(keyPtr, keySize, ptr, size)
}

// MetaGetJSON is the value of a key as JSON.
func MetaGetJSON(key string, buf []byte) int32 {
	keyPtr, keySize := textAt(key)
	ptr, size := bytesAt(buf)
	return metaGetJSON(keyPtr, keySize, ptr, size)
}

// MetaSet sets a key to text.
func MetaSet(key, value string) {
	keyPtr, keySize := textAt(key)
	ptr, size := textAt(value)
	metaSet(keyPtr, keySize, ptr, size)
}

// MetaSetJSON sets a key to a JSON value.
func MetaSetJSON(key, json string) {
	keyPtr, keySize := textAt(key)
	ptr, size := textAt(json)
	metaSetJSON(keyPtr, keySize, ptr, size)
}

// MetaDelete removes a key; 1 when it was there.
func MetaDelete(key string) int32 { return metaDelete(textAt(key)) }

// MetaKeys is all keys in order, each as a 32-bit little-endian length and its bytes.
func MetaKeys(buf []byte) int32 { return metaKeys(bytesAt(buf)) }

// ErrorGet is the error mark.
func ErrorGet(buf []byte) int32 { return errorGet(bytesAt(buf)) }

// ErrorClear removes the error mark.
func ErrorClear() { errorClear() }

// Emit sends the message as it stands and goes on with a copy.
func Emit() { emit() }

// Filter keeps the message from being sent.
func Filter() { filter() }

// Fail fails the message with a reason.
func Fail(reason string) { fail(textAt(reason)) }

// Next finishes the message and moves to the next one; 1, or -1 when there is none in this call.
func Next() int32 { return next() }

// BatchIndex is the index of the message in its batch.
func BatchIndex() int32 { return batchIndex() }

// BatchLen is how many messages the batch has.
func BatchLen() int32 { return batchLen() }

// ConfigGet is a value of the processor's config.
func ConfigGet(key string, buf []byte) int32 {
	keyPtr, keySize := textAt(key)
	ptr, size := bytesAt(buf)
	return configGet(keyPtr, keySize, ptr, size)
}

// Log writes a line to the log; levels are 0 trace to 4 error.
func Log(level uint32, text string) {
	ptr, size := textAt(text)
	log(level, ptr, size)
}

// CounterAdd adds to a counter.
func CounterAdd(name string, delta int64) {
	ptr, size := textAt(name)
	counterAdd(ptr, size, delta)
}
