package main

import (
	"testing"

	"wappa.dev/guest/wappatest"
)

func TestGreetsAndLeavesOutThoseWithoutAName(t *testing.T) {
	host := wappatest.Start(t, map[string]string{"greeting": "welcome"})
	out := host.Process(wappatest.Message{Content: "ann"}, wappatest.Message{Content: ""})
	if got := out[0][0]; got.Content != "welcome, ann!" || got.Metadata["greeted"] != true {
		t.Errorf("got %+v", got)
	}
	if len(out[1]) != 0 {
		t.Errorf("got %+v, expected nothing", out[1])
	}
}

func TestWhatIsNoTextFails(t *testing.T) {
	host := wappatest.Start(t, nil)
	out := host.Process(wappatest.Message{Content: "\xff"})
	if got := out[0][0].Error; got != "the content is not UTF-8" {
		t.Errorf("the error is %q", got)
	}
}
