//go:build !wasip1

package wappatest

import (
	"fmt"
	"sort"
)

// Message is a message on its way in or out.
type Message struct {
	// Content may be any bytes.
	Content string
	// Metadata are text (any bytes) as a string, and anything else as what encoding/json makes JSON of. In a message
	// that comes out, numbers are int where they are whole and fit, else float64, lists are []any and objects
	// map[string]any. A message without metadata has none or an empty map; one that comes out has nil.
	Metadata map[string]any
	// Error is the reason that the message is marked as failed with; empty: it is not. In a stream the mark of a
	// message that a guest failed also says so and where: `fail: <reason> (pipeline.processors.0)`.
	Error string
}

// state is a message as the mock host holds it.
type state struct {
	content []byte
	meta    map[string]value
	err     *string
}

func newState(m Message) *state {
	s := &state{content: []byte(m.Content), meta: map[string]value{}}
	for key, v := range m.Metadata {
		value, err := newValue(v)
		if err != nil {
			panic(fmt.Sprintf("wappatest: the metadata key `%s`: %s", key, err))
		}
		s.meta[key] = value
	}
	if m.Error != "" {
		s.err = &m.Error
	}
	return s
}

func (s *state) keys() []string {
	keys := make([]string, 0, len(s.meta))
	for key := range s.meta {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func (s *state) message() Message {
	m := Message{Content: string(s.content)}
	for key, value := range s.meta {
		if m.Metadata == nil {
			m.Metadata = map[string]any{}
		}
		m.Metadata[key] = value.public()
	}
	if s.err != nil {
		m.Error = *s.err
	}
	return m
}
