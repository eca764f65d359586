package wappa

import "wappa.dev/guest/internal/host"

// message is the one that handlers see; the host knows which message it stands for.
var message Message

// process is what the host calls for a run of messages.
func process() {
	if handler == nil {
		serve(func(m *Message) error {
			m.Fail("the guest registered no handler for `process`")
			return nil
		})
		return
	}
	serve(handler)
}

// serve works through the messages of one call.
func serve(h Handler) {
	for more := true; more; more = host.Next() > 0 {
		message.begin()
		if reason, failed := handle(h, &message); failed {
			host.Fail(reason)
		}
	}
}

// handle calls the handler for one message. A panic, in the text of an error too, is the failure of this message.
func handle(h Handler, m *Message) (reason string, failed bool) {
	defer func() {
		if cause := recover(); cause != nil {
			at := place()
			reason, failed = panicText(cause)+at, true
			logStack(reason, at)
		}
	}()
	if err := h(m); err != nil {
		return err.Error(), true
	}
	return "", false
}

// initialize runs what was registered with OnInit. The host takes a result other than 0 as a failed start.
func initialize() int32 {
	forget()
	if handler == nil && functions == 0 {
		Log(LevelError, "the guest has no handler: call wappa.Handle in an init function (main is never called)")
		return 1
	}
	for _, f := range onInit {
		if reason, failed := start(f); failed {
			Log(LevelError, "the guest does not start: "+reason)
			return 1
		}
	}
	return 0
}

// start calls one function of OnInit. A panic is an error of its own.
func start(f func() error) (reason string, failed bool) {
	return handle(func(*Message) error { return f() }, nil)
}

// finish runs what was registered with OnClose, the last one first.
func finish() {
	for i := len(onClose) - 1; i >= 0; i-- {
		onClose[i]()
	}
}
