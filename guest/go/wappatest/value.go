//go:build !wasip1

package wappatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// value is a metadata value: text, or else what JSON says, with numbers as they were written.
type value struct {
	text   string
	isText bool
	data   any
}

func textValue(text string) value { return value{text: text, isText: true} }

func newValue(v any) (value, error) {
	if text, ok := v.(string); ok {
		return textValue(text), nil
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return value{}, err
	}
	return parseValue(encoded)
}

func parseValue(encoded []byte) (value, error) {
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var data any
	if err := decoder.Decode(&data); err != nil {
		return value{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return value{}, errors.New("there is more than one JSON value")
	}
	if text, ok := data.(string); ok {
		return textValue(text), nil
	}
	return value{data: data}, nil
}

// json is the value as JSON: object keys sorted, numbers as they were written.
func (v value) json() string {
	var data any = v.data
	if v.isText {
		data = v.text
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(data); err != nil {
		panic("wappatest: a metadata value that came from JSON has none: " + err.Error())
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// printed is the value as Bento prints it.
func (v value) printed() string {
	if v.isText {
		return v.text
	}
	return v.json()
}

// public is the value as a test sees it.
func (v value) public() any {
	if v.isText {
		return v.text
	}
	return plain(v.data)
}

// plain makes numbers such that a test can write them: 3, 2.5.
func plain(data any) any {
	switch data := data.(type) {
	case json.Number:
		if n, err := strconv.Atoi(data.String()); err == nil {
			return n
		}
		if f, err := data.Float64(); err == nil {
			return f
		}
		return data
	case []any:
		list := make([]any, len(data))
		for i := range data {
			list[i] = plain(data[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(data))
		for key := range data {
			object[key] = plain(data[key])
		}
		return object
	default:
		return data
	}
}
