package wappa

// contentStart holds most messages, so that they are read with one call of the host.
const contentStart = 4096

// contentSpare is the room behind a content that did not fit, for a handler that appends to it.
const contentSpare = 256

// keepMax bounds what the SDK holds on to: one large message must not pin its size for ever.
const keepMax = 1 << 20

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
		buf = make([]byte, n)
		if int(n) <= keepMax {
			scratch = buf
		}
	}
}

// begin makes the message ready for the next one.
func (m *Message) begin() {
	m.used = false
	if m.content == nil || cap(m.content) > keepMax {
		m.content = make([]byte, contentStart)
	}
}
