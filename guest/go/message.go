package wappa

import (
	"errors"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"wappa.dev/guest/internal/host"
)

// Message is the message that a handler is called for.
type Message struct {
	// content is kept from message to message; used says that this message's handler holds it.
	content []byte
	used    bool
}

// Content returns the content, which may be any bytes. The slice is the handler's until it returns: it may be
// changed and appended to, which changes the message only when it is given to SetContent. What must live longer is
// copied. Content that is never asked for is never copied from the host.
func (m *Message) Content() []byte {
	if m.used {
		// A slice that was handed out for this message must not change under the handler.
		buf := make([]byte, host.ContentLen())
		return buf[:host.ContentRead(0, buf)]
	}
	m.used = true
	buf := m.content
	n := host.ContentRead(0, buf)
	if int(n) == len(buf) {
		// It may be longer than the buffer.
		if size := int(host.ContentLen()); size > len(buf) {
			buf = m.fit(size)
			n = host.ContentRead(0, buf)
		}
	}
	return buf[:n]
}

// Text returns the content as a string of its own. It need not be UTF-8.
func (m *Message) Text() string {
	// The buffer is free again as soon as the string has its copy.
	used := m.used
	text := string(m.Content())
	m.used = used
	return text
}

// ContentLen returns the length of the content without reading it.
func (m *Message) ContentLen() int { return int(host.ContentLen()) }

// SetContent replaces the content by a copy of these bytes.
func (m *Message) SetContent(content []byte) { host.ContentWrite(content) }

// SetText replaces the content by this text.
func (m *Message) SetText(text string) {
	host.ContentWrite(unsafe.Slice(unsafe.StringData(text), len(text)))
}

// Meta returns a metadata value as text, and whether the key is there: an empty value is not a missing one. What is
// not text is given as Bento prints it: a number by its digits, a list or an object as JSON. It may be any bytes.
func (m *Message) Meta(key string) (value string, ok bool) {
	if !utf8.ValidString(key) {
		return "", false
	}
	b, ok := read(func(buf []byte) int32 { return host.MetaGet(key, buf) })
	return string(b), ok
}

// MetaJSON returns a metadata value as JSON, which tells 5 and "5" apart, and whether the key is there.
func (m *Message) MetaJSON(key string) (json string, ok bool) {
	if !utf8.ValidString(key) {
		return "", false
	}
	b, ok := read(func(buf []byte) int32 { return host.MetaGetJSON(key, buf) })
	return string(b), ok
}

// SetMeta sets a metadata key to text, which may be any bytes. A key that is not UTF-8 panics, here and below.
func (m *Message) SetMeta(key, value string) { host.MetaSet(checked(key), value) }

// SetMetaInt sets a metadata key to a number.
func (m *Message) SetMetaInt(key string, value int64) {
	m.SetMetaJSON(key, strconv.FormatInt(value, 10))
}

// SetMetaFloat sets a metadata key to a number. One that JSON cannot say, an infinity or NaN, panics.
func (m *Message) SetMetaFloat(key string, value float64) {
	if value-value != 0 {
		panic("wappa: the metadata key `" + key + "` cannot be an infinity or NaN")
	}
	m.SetMetaJSON(key, strconv.FormatFloat(value, 'g', -1, 64))
}

// SetMetaBool sets a metadata key to true or false.
func (m *Message) SetMetaBool(key string, value bool) { m.SetMetaJSON(key, strconv.FormatBool(value)) }

// SetMetaJSON sets a metadata key to the value that this JSON says. What is not JSON traps, and the instance is lost
// with it: wappajson.SetMeta checks.
func (m *Message) SetMetaJSON(key, json string) { host.MetaSetJSON(checked(key), json) }

// DeleteMeta removes a metadata key, and says whether it was there.
func (m *Message) DeleteMeta(key string) bool {
	return utf8.ValidString(key) && host.MetaDelete(key) == 1
}

// MetaKeys returns the names of all metadata keys, in order.
func (m *Message) MetaKeys() []string {
	packed, _ := read(host.MetaKeys)
	n := 0
	for rest := packed; len(rest) != 0; n++ {
		_, rest = cutKey(rest)
	}
	keys := make([]string, n)
	for i := range keys {
		var key []byte
		key, packed = cutKey(packed)
		keys[i] = string(key)
	}
	return keys
}

// cutKey takes a key from a list, in which it follows its length, 32 bits in little-endian order.
func cutKey(packed []byte) (key, rest []byte) {
	end := 4 + int(uint32(packed[0])|uint32(packed[1])<<8|uint32(packed[2])<<16|uint32(packed[3])<<24)
	return packed[4:end], packed[end:]
}

// Err returns the error that a message is marked with which failed before it came here, or nil.
func (m *Message) Err() error {
	text, ok := read(host.ErrorGet)
	if !ok {
		return nil
	}
	return errors.New(string(text))
}

// ClearErr removes the error mark.
func (m *Message) ClearErr() { host.ErrorClear() }

// Emit sends the message as it stands now and goes on with a copy of it: one in, many out. The copy is sent when the
// handler returns, unless it calls Filter.
func (m *Message) Emit() { host.Emit() }

// Filter keeps the message from being sent when the handler returns. What was emitted is sent.
func (m *Message) Filter() { host.Filter() }

// Fail fails the message with a reason, as returning an error does. It beats Filter; the last reason stands.
func (m *Message) Fail(reason string) { host.Fail(reason) }

// Position returns where the message is in its batch, from 0, and how many messages that batch has.
func (m *Message) Position() (index, length int) { return int(host.BatchIndex()), int(host.BatchLen()) }

// checked returns a metadata key that the host accepts. It would trap on another one and drop the instance; a panic
// says why, and costs this message alone.
func checked(key string) string {
	if !utf8.ValidString(key) {
		panic("wappa: a metadata key is not UTF-8: " + strconv.Quote(key))
	}
	return key
}
