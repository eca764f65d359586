package wappa

import "strconv"

// panicText says in one line what the guest panicked with. Package fmt would know more kinds of values, and make each
// guest 700 KB larger.
func panicText(cause any) string {
	text := "a value that is neither an error nor text"
	switch cause := cause.(type) {
	case error:
		text = cause.Error()
	case interface{ String() string }:
		text = cause.String()
	case string:
		text = cause
	case bool:
		text = strconv.FormatBool(cause)
	case int:
		text = strconv.Itoa(cause)
	case int64:
		text = strconv.FormatInt(cause, 10)
	case uint64:
		text = strconv.FormatUint(cause, 10)
	case float64:
		text = strconv.FormatFloat(cause, 'g', -1, 64)
	}
	return "panic: " + text
}
