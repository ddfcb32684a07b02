//go:build !unix

package patchtest

import "time"

// ProcessorTime returns 0, because the system does not provide it: [Linear] then measures the bytes alone.
func ProcessorTime() time.Duration { return 0 }
