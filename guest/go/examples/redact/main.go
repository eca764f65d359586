// Redact masks members of a JSON object, at any depth: those that the config `fields` names.
package main

import (
	"errors"
	"strings"

	wappa "wappa.dev/guest"
	"wappa.dev/guest/wappajson"
)

const mask = "***"

var (
	fields       map[string]bool
	errNotObject = errors.New("not a JSON object")
)

func init() {
	wappa.OnInit(func() error {
		fields = map[string]bool{}
		for _, name := range strings.Split(wappa.ConfigOr("fields", "password,email"), ",") {
			// A config without names has none, rather than one that is empty.
			if name != "" {
				fields[name] = true
			}
		}
		return nil
	})
	wappa.Handle(func(m *wappa.Message) error {
		var object map[string]any
		// null reads as no object at all, and without an error.
		if err := wappajson.Decode(m, &object); err != nil || object == nil {
			return errNotObject
		}
		redact(object)
		return wappajson.Encode(m, object)
	})
}

func redact(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			if fields[key] {
				value[key] = mask
			} else {
				redact(member)
			}
		}
	case []any:
		for _, element := range value {
			redact(element)
		}
	}
}

func main() {}
