package main

import (
	"context"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// limitMemory sets the limit for the memory of the Go runtime to nine tenths of the memory that the control group of
// the process may use, such as that of a container or a systemd unit, and follows changes of it until ctx ends. The
// rest is for the binary, stacks of the kernel and the page cache. Without a control group, nothing is limited. If
// GOMEMLIMIT is set, its value stays.
//
// The limit and the percentage of tuneGC work together: the runtime collects garbage at whichever comes first.
func limitMemory(ctx context.Context) {
	_, _ = memlimit.Set(memlimit.WithRatio(0.9), memlimit.WithRefreshInterval(ctx, time.Minute))
}
