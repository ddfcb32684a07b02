//go:build unix

package patchtest

import (
	"syscall"
	"time"
)

// ProcessorTime returns the processor time that this process has used in user mode.
func ProcessorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic("patchtest: getrusage: " + err.Error()) // it cannot fail for the calling process
	}
	return time.Duration(usage.Utime.Nano())
}
