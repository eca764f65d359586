//go:build !wasip1

package wappa

import "wappa.dev/guest/internal/host"

// Where there are no exports, the mock host finds the guest here.
func init() {
	host.Exports = &host.Guest{Process: process, Init: initialize, Close: finish}
}
