//go:build !wasip1

package bento_test

import (
	"bytes"
	"reflect"
	"testing"

	tinygo "wappa.dev/guest/bento"
	"wappa.dev/guest/wappatest"
)

type message = wappatest.Message

func TestFunctions(t *testing.T) {
	out := wappatest.Start(t, nil).Call(func() {
		content, err := tinygo.GetMsgAsBytes()
		if err != nil {
			panic(err)
		}
		switch string(content) {
		case "clear":
			content = nil
		case "boom":
			panic("boom")
		}
		missing, _ := tinygo.GetMeta("missing")
		n, _ := tinygo.GetMeta("n")
		if err := tinygo.SetMeta("seen", missing+n); err != nil {
			panic(err)
		}
		if err := tinygo.SetMsgBytes(bytes.ToUpper(content)); err != nil {
			panic(err)
		}
	}, message{Content: "a", Metadata: map[string]any{"n": 5}}, message{}, message{Content: "boom"}, message{Content: "clear", Error: "earlier"})
	want := [][]message{
		{{Content: "A", Metadata: map[string]any{"n": 5, "seen": "5"}}},
		{{Metadata: map[string]any{"seen": ""}}},
		{{Content: "boom", Error: "trap: panic: boom"}},
		{{Metadata: map[string]any{"seen": ""}, Error: "earlier"}},
	}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("got %v, expected %v", out, want)
	}
}
