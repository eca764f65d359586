// Split makes a message of every piece of the content that is not empty.
package main

import (
	"bytes"
	"errors"

	wappa "wappa.dev/guest"
)

var separator []byte

func init() {
	wappa.OnInit(func() error {
		separator = []byte(wappa.ConfigOr("separator", ","))
		if len(separator) == 0 {
			return errors.New("the config `separator` is empty")
		}
		return nil
	})
	wappa.Handle(func(m *wappa.Message) error {
		index := int64(0)
		rest, more := m.Content(), true
		for more {
			var piece []byte
			piece, rest, more = bytes.Cut(rest, separator)
			if piece = bytes.Trim(piece, " "); len(piece) == 0 {
				continue
			}
			m.SetContent(piece)
			m.SetMetaInt("split_index", index)
			m.Emit()
			index++
		}
		// The pieces were sent; what is left of the message is not.
		m.Filter()
		return nil
	})
}

func main() {}
