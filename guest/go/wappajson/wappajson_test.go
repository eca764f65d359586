//go:build !wasip1

package wappajson_test

import (
	"strings"
	"testing"

	wappa "wappa.dev/guest"
	"wappa.dev/guest/wappajson"
	"wappa.dev/guest/wappatest"
)

// check gives one message to a handler and compares its content and its error afterwards.
func check(t *testing.T, h wappa.Handler, in wappatest.Message, content, reason string) wappatest.Message {
	t.Helper()
	function := wappa.Function(h)
	out := wappatest.Start(t, nil).Call(function, in)[0][0]
	if out.Content != content || out.Error != reason {
		t.Errorf("got %q, error %q; expected %q, error %q", out.Content, out.Error, content, reason)
	}
	return out
}

func TestContent(t *testing.T) {
	again := func(m *wappa.Message) error {
		var v any
		if err := wappajson.Decode(m, &v); err != nil {
			return err
		}
		return wappajson.Encode(m, v)
	}
	for in, want := range map[string]string{
		` {"b":1, "a":"<é>"} `:           `{"a":"<é>","b":1}`,
		`18446744073709551616.50`:        `18446744073709551616.50`,
		`"` + strings.Repeat("x", 2<<20): ``,
		`[]`:                             `[]`,
	} {
		if want == "" {
			in, want = in+`"`, in+`"`
		}
		check(t, again, wappatest.Message{Content: in}, want, "")
	}
	for in, reason := range map[string]string{
		"":         "it is empty",
		"\"\xff\"": "it is not UTF-8",
		"{} {}":    "something follows the first value",
		"{}}":      "something follows the first value",
		"nul":      "unexpected EOF",
	} {
		check(t, again, wappatest.Message{Content: in}, in, "reading the content as JSON: "+reason)
	}
	check(t, func(m *wappa.Message) error { return wappajson.Encode(m, func() {}) },
		wappatest.Message{Content: "as it came"}, "as it came", "writing the content as JSON: json: unsupported type: func()")
}

func TestMetadata(t *testing.T) {
	out := check(t, func(m *wappa.Message) error {
		list := []int{9}
		if ok, err := wappajson.Meta(m, "missing", &list); ok || err != nil || list[0] != 9 {
			t.Errorf("missing: %v %v %v", ok, err, list)
		}
		if ok, err := wappajson.Meta(m, "list", &list); !ok || err != nil || len(list) != 2 {
			t.Errorf("list: %v %v %v", ok, err, list)
		}
		var number int
		if ok, err := wappajson.Meta(m, "text", &number); !ok || err == nil {
			t.Errorf("text: %v %v", ok, err)
		}
		if err := wappajson.SetMeta(m, "bad", func() {}); err == nil {
			t.Error("a function has JSON")
		}
		return wappajson.SetMeta(m, "sum", list[0]+list[1])
	}, wappatest.Message{Metadata: map[string]any{"list": []int{1, 2}, "text": "x"}}, "", "")
	if out.Metadata["sum"] != 3 || len(out.Metadata) != 3 {
		t.Errorf("the metadata are %v", out.Metadata)
	}
}
