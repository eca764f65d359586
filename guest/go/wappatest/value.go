//go:build !wasip1

package wappatest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is a metadata value: text, or else what JSON says.
type value struct {
	text   string
	isText bool
	// data is as tests see it: int, float64, json.Number for what is a whole number larger than int, bool, nil, []any,
	// map[string]any.
	data any
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
	if !utf8.Valid(encoded) {
		return value{}, errors.New("it is not UTF-8")
	}
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
	data, err := plain(data)
	return value{data: data}, err
}

// plain makes numbers such that a test can write them: 3, 2.5.
func plain(data any) (any, error) {
	var err error
	switch data := data.(type) {
	case json.Number:
		if n, err := strconv.Atoi(data.String()); err == nil {
			return n, nil
		}
		if _, err := strconv.ParseUint(data.String(), 10, 64); err == nil {
			return data, nil
		}
		return data.Float64()
	case []any:
		for i := 0; i < len(data) && err == nil; i++ {
			data[i], err = plain(data[i])
		}
	case map[string]any:
		for key := range data {
			if data[key], err = plain(data[key]); err != nil {
				break
			}
		}
	}
	return data, err
}

// json is the value as JSON, with the keys of objects sorted.
func (v value) json() string {
	data := v.data
	if v.isText {
		data = strings.ToValidUTF8(v.text, "\uFFFD")
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
	return v.data
}
