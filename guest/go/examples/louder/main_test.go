//go:build !wasip1

package main

import (
	"testing"

	"wappa.dev/guest/internal/cases"
)

func TestCases(t *testing.T) { cases.Run(t, "louder") }
