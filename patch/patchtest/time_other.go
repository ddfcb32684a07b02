//go:build !unix

package patchtest

import "time"

// processorTime returns 0 where the system does not count it for us: [Linear] then
// measures the bytes alone.
func processorTime() time.Duration { return 0 }
