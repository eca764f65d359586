//go:build !wasip1

package wappatest

// run is the messages of one batch on their way through the guest.
type run struct {
	in  []Message
	out [][]Message
	// index is the message that the guest is at, and over says that the call has none any more.
	index int
	over  bool

	now      *state
	emitted  []Message
	filtered bool
	failed   *string
	trapped  bool
}

func newRun(in []Message) *run { return &run{in: in, index: -1} }

// begin moves to the next message, and says whether there is one.
func (r *run) begin() bool {
	r.index++
	r.over = r.index >= len(r.in)
	if r.over {
		r.now = nil
		return false
	}
	r.now = newState(r.in[r.index])
	r.emitted, r.filtered, r.failed, r.trapped = nil, false, nil, false
	return true
}

// trap fails the message whatever the guest says from here on.
func (r *run) trap(reason string) {
	if !r.trapped {
		r.failed, r.trapped = &reason, true
	}
}

// finish decides what becomes of the message.
func (r *run) finish() {
	switch {
	case r.failed != nil:
		// As it came in: a state of its own, in the form of everything that comes out.
		failed := newState(r.in[r.index])
		failed.err = r.failed
		r.emitted = []Message{failed.message()}
	case !r.filtered:
		r.emitted = append(r.emitted, r.now.message())
	}
	r.out = append(r.out, r.emitted)
	r.now = nil
}
