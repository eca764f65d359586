//go:build !tinygo

package wappa

import "runtime"

// stackMax keeps a stack within one line of the host's log.
const stackMax = 3 << 10

// logStack writes where a panic happened to the log, at level debug.
func logStack(text string) {
	stack := make([]byte, stackMax)
	stack = stack[:runtime.Stack(stack, false)]
	Log(LevelDebug, text+"\n"+string(stack))
}
