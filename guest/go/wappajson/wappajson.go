// Package wappajson reads and writes JSON in messages with encoding/json.
//
// It is a package of its own because encoding/json is much of a small guest, with TinyGo most of it.
package wappajson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	wappa "wappa.dev/guest"
)

// Decode reads the content, which is one JSON value, into what v points to, as json.Unmarshal does. Two things are
// stricter: a number that goes into an interface stays as it was written (json.Number), so that a large one is not
// rounded on its way through; and a content that is not UTF-8 is an error, as letters would be replaced.
func Decode(m *wappa.Message, v any) error {
	if err := decode(m.Content(), v); err != nil {
		return fmt.Errorf("reading the content as JSON: %w", err)
	}
	return nil
}

// Encode replaces the content by v as JSON, without a newline and without escapes for HTML. A message whose v has no
// JSON stays as it is.
func Encode(m *wappa.Message, v any) error {
	encoded, err := encode(v)
	if err != nil {
		return fmt.Errorf("writing the content as JSON: %w", err)
	}
	m.SetContent(encoded)
	return nil
}

// Meta reads a metadata value, typed, into what v points to, and says whether the key is there. Where it is not, v is
// left alone.
func Meta(m *wappa.Message, key string, v any) (ok bool, err error) {
	encoded, ok := m.MetaJSON(key)
	if !ok {
		return false, nil
	}
	if err := decode([]byte(encoded), v); err != nil {
		return true, fmt.Errorf("reading the metadata key `%s`: %w", key, err)
	}
	return true, nil
}

// SetMeta sets a metadata key to v: a number, an object, whatever has JSON.
func SetMeta(m *wappa.Message, key string, v any) error {
	encoded, err := encode(v)
	if err != nil {
		return fmt.Errorf("writing the metadata key `%s`: %w", key, err)
	}
	m.SetMetaJSON(key, string(encoded))
	return nil
}

func decode(encoded []byte, v any) error {
	if !utf8.Valid(encoded) {
		return errors.New("it is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if err := decoder.Decode(v); errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	} else if err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the first value")
	}
	return nil
}

// out is used again for each message.
var out bytes.Buffer

// encode returns JSON that is valid until the next call.
func encode(v any) ([]byte, error) {
	out.Reset()
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
