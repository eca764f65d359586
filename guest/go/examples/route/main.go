// Route reads and writes metadata, and leaves the content alone.
package main

import (
	"strconv"
	"strings"

	wappa "wappa.dev/guest"
)

func init() {
	wappa.Handle(func(m *wappa.Message) error {
		keys := m.MetaKeys()
		route := routeOf(m)
		index, length := m.Position()

		m.SetMeta("route", route)
		m.SetMeta("keys", strings.Join(keys, ","))
		m.SetMeta("position", strconv.Itoa(index)+"/"+strconv.Itoa(length))
		m.DeleteMeta("secret")
		if err := m.Err(); err != nil {
			m.SetMeta("last_error", err.Error())
			m.ClearErr()
		}

		wappa.Count("routed", 1)
		wappa.Log(wappa.LevelDebug, "routed to "+route)
		return nil
	})
}

// routeOf is the config for the message's kind, else the default.
func routeOf(m *wappa.Message) string {
	if kind, ok := m.Meta("kind"); ok {
		if route, ok := wappa.Config("route." + kind); ok {
			return route
		}
	}
	return wappa.ConfigOr("default", "none")
}

func main() {}
