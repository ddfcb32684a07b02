package patchsync

// isMinor reports whether the record of a watch after a check differs from the one before, apart from times, only in
// how often its feed has failed in a row, in a way that is not worth a write: an outage of the network would write the
// records of all watches with each attempt. The store has the failures 1, 3, 8, 16, 32 and so on, and this server knows
// the others.
func isMinor(before, after *watchRecord) (bool, error) {
	n := after.State.Failures
	if before.State.Failures == 0 || n <= before.State.Failures || n == reportedFailures || n >= 8 && n&(n-1) == 0 {
		return false, nil
	}
	same := *after
	same.State.Failures, same.State.LastError = before.State.Failures, before.State.LastError
	changed, err := differs(before, &same)
	return !changed, err
}
