//go:build !wasip1

package wappatest

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"wappa.dev/guest/internal/host"
)

var _ host.Host = (*Host)(nil)

// The methods below are what a guest imports. They are called by the SDK, not by tests.

// message is the message that the guest is at. Where there is none the guest traps.
func (h *Host) message(function string) *state {
	if h.run == nil || h.run.now == nil {
		h.trap(function, "there is no message: it is called from elsewhere than the handler, or after the handler has returned")
	}
	return h.run.now
}

// trap ends the guest for this message. A guest that recovers from the panic changes nothing about that.
func (h *Host) trap(function, why string) {
	reason := trapped("host call: `" + function + "`: " + why)
	if h.run != nil && h.run.now != nil {
		h.run.trap(string(reason))
	}
	panic(reason)
}

// trapped is what a guest panics with that the host traps.
type trapped string

func (t trapped) Error() string { return string(t) }

func (h *Host) key(function, key string) string {
	if !utf8.ValidString(key) {
		h.trap(function, "the key is not UTF-8")
	}
	return key
}

// give copies data to the guest as all functions do: all of it or nothing, and its full length.
func give(data string, buf []byte) int32 {
	if len(data) <= len(buf) {
		copy(buf, data)
	}
	return int32(len(data))
}

// ContentLen is v1_content_len.
func (h *Host) ContentLen() uint32 { return uint32(len(h.message("v1_content_len").content)) }

// ContentRead is v1_content_read.
func (h *Host) ContentRead(offset uint32, buf []byte) uint32 {
	content := h.message("v1_content_read").content
	return uint32(copy(buf, content[min(int(offset), len(content)):]))
}

// ContentWrite is v1_content_write.
func (h *Host) ContentWrite(content []byte) {
	h.message("v1_content_write").content = append([]byte{}, content...)
}

// MetaGet is v1_meta_get.
func (h *Host) MetaGet(key string, buf []byte) int32 {
	v, ok := h.message("v1_meta_get").meta[h.key("v1_meta_get", key)]
	if !ok {
		return -1
	}
	return give(v.printed(), buf)
}

// MetaGetJSON is v1_meta_get_json.
func (h *Host) MetaGetJSON(key string, buf []byte) int32 {
	v, ok := h.message("v1_meta_get_json").meta[h.key("v1_meta_get_json", key)]
	if !ok {
		return -1
	}
	return give(v.json(), buf)
}

// MetaSet is v1_meta_set.
func (h *Host) MetaSet(key, value string) {
	h.message("v1_meta_set").meta[h.key("v1_meta_set", key)] = textValue(value)
}

// MetaSetJSON is v1_meta_set_json.
func (h *Host) MetaSetJSON(key, json string) {
	message := h.message("v1_meta_set_json")
	key = h.key("v1_meta_set_json", key)
	v, err := parseValue([]byte(json))
	if err != nil {
		h.trap("v1_meta_set_json", "the value is not JSON: "+err.Error())
	}
	message.meta[key] = v
}

// MetaDelete is v1_meta_delete.
func (h *Host) MetaDelete(key string) int32 {
	meta := h.message("v1_meta_delete").meta
	if _, ok := meta[h.key("v1_meta_delete", key)]; !ok {
		return 0
	}
	delete(meta, key)
	return 1
}

// MetaKeys is v1_meta_keys.
func (h *Host) MetaKeys(buf []byte) int32 {
	var packed []byte
	for _, key := range h.message("v1_meta_keys").keys() {
		packed = binary.LittleEndian.AppendUint32(packed, uint32(len(key)))
		packed = append(packed, key...)
	}
	return give(string(packed), buf)
}

// ErrorGet is v1_error_get.
func (h *Host) ErrorGet(buf []byte) int32 {
	mark := h.message("v1_error_get").err
	if mark == nil {
		return -1
	}
	return give(*mark, buf)
}

// ErrorClear is v1_error_clear.
func (h *Host) ErrorClear() { h.message("v1_error_clear").err = nil }

// Emit is v1_emit.
func (h *Host) Emit() {
	message := h.message("v1_emit").message()
	h.run.emitted = append(h.run.emitted, message)
}

// Filter is v1_filter.
func (h *Host) Filter() {
	h.message("v1_filter")
	h.run.filtered = true
}

// reasonMax is how much of a reason the host keeps.
const reasonMax = 4 << 10

// Fail is v1_fail.
func (h *Host) Fail(reason string) {
	h.message("v1_fail")
	if reasonMax < len(reason) {
		reason = reason[:reasonMax] + "…"
	}
	if reason = oneLine(strings.ToValidUTF8(reason, "\uFFFD")); reason == "" {
		reason = "the guest gave no reason"
	}
	if !h.run.trapped {
		h.run.failed = &reason
	}
}

// oneLine is how a mark shows a reason.
func oneLine(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.Join(lines, "; "))
}

// Next is v1_next.
func (h *Host) Next() int32 {
	h.message("v1_next")
	h.run.finish()
	if h.run.begin() {
		return 1
	}
	return -1
}

// BatchIndex is v1_batch_index.
func (h *Host) BatchIndex() int32 {
	h.message("v1_batch_index")
	return int32(h.run.index)
}

// BatchLen is v1_batch_len.
func (h *Host) BatchLen() int32 {
	h.message("v1_batch_len")
	return int32(len(h.run.in))
}

// ConfigGet is v1_config_get.
func (h *Host) ConfigGet(key string, buf []byte) int32 {
	value, ok := h.config[h.key("v1_config_get", key)]
	if !ok {
		return -1
	}
	return give(value, buf)
}

// levels are the names of the levels of v1_log.
var levels = [...]string{"trace", "debug", "info", "warn", "error"}

// Log is v1_log. A text of several lines is that many lines of the log.
func (h *Host) Log(level uint32, text string) {
	if int(level) >= len(levels) {
		h.trap("v1_log", "there is no such level")
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) != "" {
			h.logs = append(h.logs, Log{Level: levels[level], Text: line})
		}
	}
}

// CounterAdd is v1_counter_add. The SDK has checked the name.
func (h *Host) CounterAdd(name string, delta int64) {
	if delta < 0 {
		h.trap("v1_counter_add", "a counter only goes up")
	}
	h.counters[name] += delta
}
