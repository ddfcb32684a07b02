package patchsync

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// maxIntervals bounds the time between two rounds of a source that fails.
	maxIntervals = 32
	// maxFreshIntervals bounds the time between two rounds of a source that says how long its list is fresh.
	maxFreshIntervals = 4
)

// backoff returns the time to wait after a failure that follows a number of failures.
func backoff(interval time.Duration, failures int) time.Duration {
	return interval * time.Duration(math.Exp2(float64(min(failures, 5)))) // 2^5 is maxIntervals
}

// rejectionBackoff is backoff after a rejection, for which the source must be read in full: one retry soon, because
// the definition may have been half written, and then rare ones. After a correction, a round can be requested.
func rejectionBackoff(interval time.Duration, failures int) time.Duration {
	switch failures {
	case 0:
		return interval
	case 1:
		return maxIntervals / 2 * interval
	}
	return maxIntervals * interval
}

// jitter returns d, give or take up to a tenth.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}

// randomUpTo returns a random duration below d.
func randomUpTo(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d))) }
