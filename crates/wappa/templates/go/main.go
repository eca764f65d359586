// A guest that greets the people whose names come as messages.
package main

import (
	"errors"
	"unicode/utf8"

	wappa "wappa.dev/guest"
)

var greeting string

func init() {
	wappa.OnInit(func() error {
		greeting = wappa.ConfigOr("greeting", "hello")
		return nil
	})
	wappa.Handle(greet)
}

// greet works on one message.
func greet(m *wappa.Message) error {
	name := m.Content()
	if !utf8.Valid(name) {
		return errors.New("the content is not UTF-8")
	}
	if len(name) == 0 {
		m.Filter()
		return nil
	}
	m.SetText(greeting + ", " + string(name) + "!")
	m.SetMetaBool("greeted", true)
	wappa.Count("greeted", 1)
	return nil
}

func main() {}
