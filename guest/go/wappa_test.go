//go:build !wasip1

package wappa_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	wappa "wappa.dev/guest"
	"wappa.dev/guest/wappatest"
)

type message = wappatest.Message

// check gives a batch to a handler and compares what becomes of each message.
func check(t *testing.T, h wappa.Handler, in []message, want ...[]message) *wappatest.Host {
	t.Helper()
	function := wappa.Function(h)
	host := wappatest.Start(t, map[string]string{"empty": "", "key": "value"})
	got := host.Call(function, in...)
	if len(got) != len(want) {
		t.Fatalf("%d messages were answered, expected %d", len(got), len(want))
	}
	for i := range got {
		if len(got[i]) == 0 && len(want[i]) == 0 {
			continue
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("message %d: got %.1000q, expected %.1000q", i, got[i], want[i])
		}
	}
	return host
}

func TestOutcomes(t *testing.T) {
	in := []message{{Content: "a", Metadata: map[string]any{"k": 1}}, {Content: "b"}}
	other := []message{{Content: "b"}}
	emitTwice := func(m *wappa.Message) {
		m.SetText("1")
		m.Emit()
		m.SetText("2")
		m.SetMeta("k", "new")
		m.Emit()
		m.SetText("3")
	}
	one, two, three := message{Content: "1", Metadata: in[0].Metadata}, message{Content: "2", Metadata: map[string]any{"k": "new"}}, message{Content: "3", Metadata: map[string]any{"k": "new"}}
	failed := func(reason string) []message {
		return []message{{Content: "a", Metadata: in[0].Metadata, Error: reason}}
	}
	panicked := func(reason string) []message { return failed(reason + at(1, 0)) }
	for _, c := range []struct {
		name string
		do   func(m *wappa.Message) error
		want []message
	}{
		{"nothing", func(m *wappa.Message) error { return nil }, in[:1]},
		{"emit", func(m *wappa.Message) error { emitTwice(m); return nil }, []message{one, two, three}},
		{"emit and filter", func(m *wappa.Message) error { emitTwice(m); m.Filter(); return nil }, []message{one, two}},
		{"filter and go on", func(m *wappa.Message) error { m.Filter(); emitTwice(m); return nil }, []message{one, two}},
		{"filter", func(m *wappa.Message) error { m.Filter(); return nil }, nil},
		{"fail beats filter", func(m *wappa.Message) error { m.Filter(); m.Fail("x"); m.Filter(); return nil }, failed("x")},
		{"an error discards all", func(m *wappa.Message) error { emitTwice(m); return errors.New("no") }, failed("no")},
		{"the last reason stands", func(m *wappa.Message) error { m.Fail("x"); m.Fail("y"); return errors.New("z") }, failed("z")},
		{"an error without text", func(m *wappa.Message) error { return errors.New("") }, failed("the guest gave no reason")},
		{"an error of several lines", func(m *wappa.Message) error { return errors.New("one\n two\r\n\nthree\x00") }, failed("one; two; three\uFFFD")},
		{"a panic with text", func(m *wappa.Message) error { emitTwice(m); panic("oh") }, panicked("panic: oh")},
		{"a panic with an error", func(m *wappa.Message) error { panic(errors.New("oh")) }, panicked("panic: oh")},
		{"a panic with a number", func(m *wappa.Message) error { panic(-7) }, panicked("panic: -7")},
		{"a panic of the runtime", func(m *wappa.Message) error { _ = m.Content()[m.ContentLen():][0]; return nil }, panicked("panic: runtime error: index out of range [0] with length 0")},
		{"a panic in an error's text", func(m *wappa.Message) error { return (*badError)(nil) }, failed("panic: runtime error: invalid memory address or nil pointer dereference" + badErrorAt)},
		{"a panic in Go's library", func(m *wappa.Message) error { strings.Repeat("x", -m.ContentLen()); return nil }, panicked("panic: strings: negative Repeat count")},
		{"a key that is not UTF-8", func(m *wappa.Message) error { m.SetMeta("\xff", ""); return nil }, panicked(`panic: wappa: a metadata key is not UTF-8: "\xff"`)},
		{"a number that JSON has not", func(m *wappa.Message) error { m.SetMetaFloat("x", math.Inf(1)); return nil }, panicked("panic: wappa: the metadata key `x` cannot be an infinity or NaN")},
		{"a counter's name", func(m *wappa.Message) error { wappa.Count("a-b", 1); return nil }, panicked("panic: wappa: the name of a counter has 1 to 64 ASCII letters, digits and underscores, this one is `a-b`")},
		{"a trap, whatever the guest recovers from", func(m *wappa.Message) error { m.SetMetaJSON("x", "{}}"); return nil }, failed("host call: `v1_meta_set_json`: the value is not JSON: there is more than one JSON value")},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, func(m *wappa.Message) error {
				if m.Text() == "a" {
					return c.do(m)
				}
				return nil
			}, in, c.want, other)
		})
	}
}

type badError struct{ text string }

// badErrorAt is where Error panics.
var badErrorAt = at(0, 2)

func (e *badError) Error() string { return e.text }

// at is how a reason places a panic some lines below a line of the caller, or of one further out.
func at(out, below int) string {
	_, file, line, _ := runtime.Caller(out + 1)
	directory, name := filepath.Split(file)
	return fmt.Sprintf(", at %s/%s:%d", filepath.Base(directory), name, line+below)
}

func TestAPanicIsExplainedInTheLog(t *testing.T) {
	host := check(t, func(m *wappa.Message) error { panic("oh") }, []message{{}}, []message{{Error: "panic: oh" + at(0, 0)}})
	var text strings.Builder
	for _, line := range host.Logs() {
		if line.Level != "debug" {
			t.Errorf("a line at level %s", line.Level)
		}
		text.WriteString(line.Text + "\n")
	}
	if !strings.Contains(text.String(), "TestAPanicIsExplainedInTheLog") {
		t.Errorf("the log does not name the function that panicked:\n%s", text.String())
	}
}

// The second one is so deep in Go's library that the nearest frames do not tell whose it is.
func TestAPlaceIsExplainedOnce(t *testing.T) {
	one := message{Content: "1", Error: "panic: oh" + at(0, 4)}
	two := message{Content: "2", Error: "panic: division by zero" + at(0, 5)}
	host := check(t, func(m *wappa.Message) error {
		if m.Text() == "1" {
			panic("oh")
		}
		new(big.Int).DivMod(big.NewInt(1), new(big.Int), new(big.Int))
		return nil
	}, []message{{Content: "1"}, {Content: "2"}, {Content: "1"}, {Content: "2"}}, []message{one}, []message{two}, []message{one}, []message{two})
	stacks := 0
	for _, line := range host.Logs() {
		if strings.HasPrefix(line.Text, "panic: ") {
			stacks++
		}
	}
	if stacks != 2 {
		t.Errorf("%d stacks of two places in the log:\n%v", stacks, host.Logs())
	}
}

func TestContent(t *testing.T) {
	echo := func(m *wappa.Message) error {
		if got := len(m.Content()); got != m.ContentLen() {
			t.Errorf("read %d bytes of %d", got, m.ContentLen())
		}
		m.SetContent(append(m.Content(), '!'))
		return nil
	}
	for _, content := range []string{"", "a", "\xff\x00\xfe", strings.Repeat("x", 4095), strings.Repeat("x", 4096), strings.Repeat("x", 4097), strings.Repeat("0123456789", 300_000)} {
		check(t, echo,
			[]message{{Content: content}, {Content: "next"}, {Content: content}},
			[]message{{Content: content + "!"}}, []message{{Content: "next!"}}, []message{{Content: content + "!"}})
	}
	check(t, func(m *wappa.Message) error { m.SetText(m.Text() + "é"); return nil }, []message{{Content: "ö"}}, []message{{Content: "öé"}})
	check(t, func(m *wappa.Message) error { m.SetContent(nil); return nil }, []message{{Content: "gone"}}, []message{{}})
}

func TestWhatWasReadStaysWhileTheHandlerRuns(t *testing.T) {
	check(t, func(m *wappa.Message) error {
		first := m.Content()
		if m.Text() != string(first) {
			t.Errorf("the text is %q", m.Text())
		}
		m.SetText("other")
		second := m.Content()
		m.SetContent(append(append([]byte{}, first...), second...))
		return nil
	}, []message{{Content: "one "}, {Content: "1 "}}, []message{{Content: "one other"}}, []message{{Content: "1 other"}})
}

func TestMetadata(t *testing.T) {
	long := strings.Repeat("é", 3000)
	check(t, func(m *wappa.Message) error {
		for _, c := range []struct {
			key, text, json string
			ok              bool
		}{
			{"missing", "", "", false},
			{"\xff", "", "", false},
			{"empty", "", `""`, true},
			{"", "no name", `"no name"`, true},
			{"n", "5", "5", true},
			{"f", "2.5", "2.5", true},
			{"null", "null", "null", true},
			{"obj", `{"a":[1,2.5,true,null],"b":"<"}`, `{"a":[1,2.5,true,null],"b":"<"}`, true},
			{"bytes", "\xfe", `"` + "\uFFFD" + `"`, true},
			{"long", long, `"` + long + `"`, true},
		} {
			if text, ok := m.Meta(c.key); text != c.text || ok != c.ok {
				t.Errorf("%q: text %q %v", c.key, text, ok)
			}
			if json, ok := m.MetaJSON(c.key); json != c.json || ok != c.ok {
				t.Errorf("%q: JSON %q %v", c.key, json, ok)
			}
		}
		want := []string{"", "bytes", "empty", "f", "long", "n", "null", "obj"}
		if keys := m.MetaKeys(); !reflect.DeepEqual(keys, want) {
			t.Errorf("the keys are %q", keys)
		}
		for _, key := range m.MetaKeys() {
			if !m.DeleteMeta(key) {
				t.Errorf("%q was not there", key)
			}
		}
		if m.DeleteMeta("n") || m.DeleteMeta("\xff") || len(m.MetaKeys()) != 0 {
			t.Error("deleted twice")
		}
		m.SetMeta("text", "5")
		m.SetMeta("bytes", "\xff")
		m.SetMetaInt("int", math.MinInt64)
		m.SetMetaFloat("float", 1e-9)
		m.SetMetaBool("bool", true)
		m.SetMetaJSON("json", ` {"b": [1, 18446744073709551615]} `)
		m.SetMetaJSON("string", `"s"`)
		return nil
	}, []message{{Metadata: map[string]any{"n": 5, "f": 2.5, "null": nil, "empty": "", "": "no name", "bytes": "\xfe", "long": long, "obj": map[string]any{"b": "<", "a": []any{1, 2.5, true, nil}}}}},
		[]message{{Metadata: map[string]any{
			"text": "5", "bytes": "\xff", "int": math.MinInt64, "float": 1e-9, "bool": true, "string": "s",
			"json": map[string]any{"b": []any{1, json.Number("18446744073709551615")}},
		}}})
}

func TestErrorMark(t *testing.T) {
	in := []message{{Error: "earlier"}, {Error: "kept", Content: "keep"}, {}}
	check(t, func(m *wappa.Message) error {
		if m.Text() == "keep" {
			return nil
		}
		if err := m.Err(); err != nil {
			m.SetText(err.Error())
			m.ClearErr()
		}
		if m.Err() != nil {
			t.Error("the mark is still there")
		}
		return nil
	}, in, []message{{Content: "earlier"}}, in[1:2], in[2:])
}

func TestPositionConfigLogAndCounters(t *testing.T) {
	host := check(t, func(m *wappa.Message) error {
		index, length := m.Position()
		m.SetText(strconv.Itoa(index) + "/" + strconv.Itoa(length))
		wappa.Log(wappa.LevelTrace, "one\ntwo")
		wappa.Log(wappa.Level(99), "")
		wappa.Log(wappa.LevelWarn, "careful")
		wappa.Count("seen_1", uint64(index+1))
		for _, c := range [][]string{{"key", "value"}, {"empty", ""}, {"missing", "other"}, {"\xff", "other"}} {
			if got := wappa.ConfigOr(c[0], "other"); got != c[1] {
				t.Errorf("config %q is %q", c[0], got)
			}
		}
		return nil
	}, make([]message, 2), []message{{Content: "0/2"}}, []message{{Content: "1/2"}})
	if got := host.Counter("seen_1"); got != 3 {
		t.Errorf("counted %d", got)
	}
	lines := []wappatest.Log{{Level: "trace", Text: "one"}, {Level: "trace", Text: "two"}, {Level: "warn", Text: "careful"}}
	if got := host.Logs(); !reflect.DeepEqual(got, append(lines, lines...)) {
		t.Errorf("the log is %v", got)
	}
}

func TestAMessageIsGoneWhenItsHandlerHasReturned(t *testing.T) {
	var kept *wappa.Message
	serve := wappa.Function(func(m *wappa.Message) error { kept = m; return nil })
	host := wappatest.Start(t, nil)
	out := host.Call(func() { serve(); kept.SetText("late") }, message{Content: "a"})
	if want := [][]message{{{Content: "a"}}}; !reflect.DeepEqual(out, want) {
		t.Errorf("got %v", out)
	}
	if logs := host.Logs(); len(logs) != 1 || logs[0].Level != "error" || !strings.Contains(logs[0].Text, "v1_content_write") {
		t.Errorf("the log is %v", logs)
	}
}

func TestHooks(t *testing.T) {
	defer func() { onInit = func() error { return nil } }()
	wappa.Function(func(*wappa.Message) error { return nil })
	var seen []string
	onInit = func() error { seen = append(seen, "init "+wappa.ConfigOr("a", "")); return nil }
	onClose = func() { seen = append(seen, "close") }
	host, err := wappatest.New(map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
	if want := []string{"init b", "close"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("seen %q", seen)
	}
	onClose = func() { panic("oh") }
	if err := host.Close(); err == nil || err.Error() != "trap: panic: oh" {
		t.Errorf("got %v", err)
	}
	onClose = func() {}
	for _, c := range []struct {
		f    func() error
		want string
	}{
		{func() error { return errors.New("no table") }, "the guest does not start: no table"},
		{func() error { return errors.New("") }, "the guest does not start: "},
		{func() error { panic("oh") }, "the guest does not start: panic: oh" + at(0, 0)},
	} {
		onInit = c.f
		if _, err := wappatest.New(nil); err == nil || err.Error() != c.want {
			t.Errorf("got %v, expected %s", err, c.want)
		}
	}
}

var onInit, onClose = func() error { return nil }, func() {}

func init() {
	wappa.OnInit(func() error { return onInit() })
	wappa.OnClose(func() { onClose() })
}

func TestAGuestWithoutHandler(t *testing.T) {
	wappa.Function(func(*wappa.Message) error { return nil })
	out := wappatest.Start(t, nil).Process(message{Content: "a"}, message{Content: "b"})
	const reason = "the guest registered no handler for `process`"
	if want := [][]message{{{Content: "a", Error: reason}}, {{Content: "b", Error: reason}}}; !reflect.DeepEqual(out, want) {
		t.Errorf("got %v", out)
	}
}

func TestAGuestThatRegisteredNothingDoesNotStart(t *testing.T) {
	wappa.WithoutFunctions(func() {
		const want = "the guest has no handler: call wappa.Handle in an init function (main is never called)"
		if _, err := wappatest.New(nil); err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}
