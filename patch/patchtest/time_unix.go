//go:build unix

package patchtest

import (
	"syscall"
	"time"
)

// processorTime returns the time that processors have spent in this process's own
// code.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic("patchtest: getrusage: " + err.Error()) // it cannot fail for one's own process
	}
	return time.Duration(usage.Utime.Nano())
}
