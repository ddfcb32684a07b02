//go:build !unix

package patchtest

import "time"

// processorTime returns 0, because the system does not provide it: [Linear] then measures the bytes alone.
func processorTime() time.Duration { return 0 }
