//go:build !wasip1

// Package cases runs the examples over the data that all languages share, guest/examples/cases.json.
package cases

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"wappa.dev/guest/wappatest"
)

type example struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
	In     []message         `json:"in"`
	Out    [][]message       `json:"out"`
}

type message struct {
	Content  json.RawMessage            `json:"content"`
	Metadata map[string]json.RawMessage `json:"metadata"`
	Error    string                     `json:"error"`
	Failed   *string                    `json:"failed"`
}

// Run runs the guest's handler over the cases of an example.
func Run(t *testing.T, name string) {
	run(t, name, (*wappatest.Host).Process)
}

// RunFunction runs a function that the guest exports by itself over the cases of an example.
func RunFunction(t *testing.T, name string, function func()) {
	run(t, name, func(h *wappatest.Host, batch ...wappatest.Message) [][]wappatest.Message {
		return h.Call(function, batch...)
	})
}

func run(t *testing.T, name string, process func(*wappatest.Host, ...wappatest.Message) [][]wappatest.Message) {
	for _, c := range read(t, name) {
		t.Run(c.Name, func(t *testing.T) {
			var in []wappatest.Message
			for _, m := range c.In {
				in = append(in, m.input(t))
			}
			out := process(wappatest.Start(t, c.Config), in...)
			if len(out) != len(c.Out) {
				t.Fatalf("%d messages were answered, expected %d", len(out), len(c.Out))
			}
			for i := range out {
				check(t, fmt.Sprintf("message %d", i), out[i], c.Out[i], in[i])
			}
		})
	}
}

func read(t *testing.T, name string) []example {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "../../../examples/cases.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the shared cases, which lie beside the SDK in its repository: %s", err)
	}
	var all map[string][]example
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("reading %s: %s", path, err)
	}
	if len(all[name]) == 0 {
		t.Fatalf("%s has no cases for `%s`", path, name)
	}
	return all[name]
}

func check(t *testing.T, where string, got []wappatest.Message, want []message, in wappatest.Message) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s became %d messages, expected %d: %v", where, len(got), len(want), got)
	}
	for i := range got {
		where := fmt.Sprintf("%s, output %d", where, i)
		if want[i].Failed != nil {
			failed := in
			failed.Error = *want[i].Failed
			if !reflect.DeepEqual(got[i], failed) {
				t.Errorf("%s: got %+v, expected %+v", where, got[i], failed)
			}
			continue
		}
		if !sameContent(t, got[i].Content, want[i].Content) {
			t.Errorf("%s: the content is %.200q, expected %.200s", where, got[i].Content, want[i].Content)
		}
		if metadata := values(t, want[i].Metadata); !reflect.DeepEqual(got[i].Metadata, metadata) {
			t.Errorf("%s: the metadata are %v, expected %v", where, got[i].Metadata, metadata)
		}
		if got[i].Error != want[i].Error {
			t.Errorf("%s: the error is %q, expected %q", where, got[i].Error, want[i].Error)
		}
	}
}

func sameContent(t *testing.T, got string, want json.RawMessage) bool {
	t.Helper()
	var structured struct {
		JSON *json.RawMessage `json:"json"`
	}
	if json.Unmarshal(want, &structured) == nil && structured.JSON != nil {
		var gotValue, wantValue any
		if err := json.Unmarshal([]byte(got), &gotValue); err != nil {
			return false
		}
		parse(t, *structured.JSON, &wantValue)
		return reflect.DeepEqual(gotValue, wantValue)
	}
	return got == text(t, want)
}

func (m message) input(t *testing.T) wappatest.Message {
	t.Helper()
	return wappatest.Message{Content: text(t, m.Content), Metadata: values(t, m.Metadata), Error: m.Error}
}

// text is a content: text, or a list of pieces.
func text(t *testing.T, encoded json.RawMessage) string {
	t.Helper()
	if !bytes.HasPrefix(encoded, []byte("[")) {
		return piece(t, encoded)
	}
	var pieces []json.RawMessage
	parse(t, encoded, &pieces)
	var out strings.Builder
	for _, p := range pieces {
		out.WriteString(piece(t, p))
	}
	return out.String()
}

// piece is text, bytes in hexadecimal digits, or text a number of times.
func piece(t *testing.T, encoded json.RawMessage) string {
	t.Helper()
	if bytes.HasPrefix(encoded, []byte(`"`)) {
		var plain string
		parse(t, encoded, &plain)
		return plain
	}
	var p struct {
		Hex    *string
		Repeat *string
		Times  int
	}
	parse(t, encoded, &p)
	switch {
	case p.Hex != nil:
		raw, err := hex.DecodeString(*p.Hex)
		if err != nil {
			t.Fatalf("the case has no hexadecimal digits: %s", encoded)
		}
		return string(raw)
	case p.Repeat != nil:
		return strings.Repeat(*p.Repeat, p.Times)
	default:
		t.Fatalf("the case has a piece of another kind: %s", encoded)
		return ""
	}
}

// values are metadata: text, bytes, or any other value, in the form in which the mock host gives them back.
func values(t *testing.T, encoded map[string]json.RawMessage) map[string]any {
	t.Helper()
	if len(encoded) == 0 {
		return nil
	}
	metadata := map[string]any{}
	for key, v := range encoded {
		var typed struct {
			JSON *json.RawMessage `json:"json"`
		}
		if json.Unmarshal(v, &typed) == nil && typed.JSON != nil {
			var value any
			parse(t, *typed.JSON, &value)
			metadata[key] = whole(value)
		} else {
			metadata[key] = text(t, v)
		}
	}
	return metadata
}

// whole makes whole numbers integers, at any depth.
func whole(value any) any {
	switch value := value.(type) {
	case float64:
		if value == float64(int(value)) {
			return int(value)
		}
	case []any:
		for i := range value {
			value[i] = whole(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = whole(value[key])
		}
	}
	return value
}

func parse(t *testing.T, encoded json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(encoded, into); err != nil {
		t.Fatalf("the case is not as expected: %s: %.200s", err, encoded)
	}
}
