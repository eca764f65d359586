package wappa

// contentStart holds most messages, so that they are read with one call of the host.
const contentStart = 4096

// contentSpare is the least room behind a content that did not fit, for a handler that appends to it.
const contentSpare = 256

// fit makes the buffer large enough for a content. It is kept as large as it ever was: a memory of WebAssembly never
// shrinks, so letting go of it would make garbage and give nothing back.
func (m *Message) fit(size int) []byte {
	// The old one goes first, so that the garbage collector need not hold both.
	m.content = nil
	m.content = make([]byte, size+size/8+contentSpare)
	return m.content
}

// scratchStart holds most values of metadata and config.
const scratchStart = 512

var scratch = make([]byte, scratchStart)

// read calls a function of the host that returns data: into a buffer, its full length as the result, nothing written
// when that is larger, -1 when there is nothing. What it returns is valid until the next call.
func read(get func(buf []byte) int32) ([]byte, bool) {
	buf := scratch
	for {
		n := get(buf)
		if n < 0 {
			return nil, false
		}
		if int(n) <= len(buf) {
			return buf[:n], true
		}
		scratch = make([]byte, n)
		buf = scratch
	}
}

// begin makes the message ready for the next one.
func (m *Message) begin() {
	m.used = false
	if m.content == nil {
		m.content = make([]byte, contentStart)
	}
}
