// Louder appends "!!!" to the content, which may be any bytes.
package main

import wappa "wappa.dev/guest"

func init() {
	wappa.Handle(func(m *wappa.Message) error {
		m.SetContent(append(m.Content(), "!!!"...))
		return nil
	})
}

func main() {}
