// Package host is the functions that the host provides, of tier v1 (import module wappa).
//
// Under wasip1 they are imports of the module; elsewhere a mock host provides them, for tests. Both follow the rules
// of the interface: a function that returns data takes a buffer and returns the full length, when it is larger than
// the buffer nothing was written, and -1 means absent. The pointer of something empty is not looked at.
package host
