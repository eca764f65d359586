//go:build !wasip1

package bento

import "wappa.dev/guest/internal/host"

// packed is the bytes themselves: the mock host needs no memory of the guest.
type packed = []byte

func take(p packed, _ string) ([]byte, error) { return p, nil }

func msgAsBytes() packed {
	b := make([]byte, host.ContentLen())
	return b[:host.ContentRead(0, b)]
}

func msgSetBytes(b []byte) { host.ContentWrite(b) }

func msgGetMeta(key string) packed {
	n := host.MetaGet(key, nil)
	if n < 0 {
		return []byte{}
	}
	b := make([]byte, n)
	host.MetaGet(key, b)
	return b
}

func msgSetMeta(key, value string) { host.MetaSet(key, value) }
