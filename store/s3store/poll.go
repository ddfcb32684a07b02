package s3store

import (
	"context"
	"errors"
	"time"
)

const (
	// silence is the time after which a watch yields the error of a head that cannot be read.
	silence = 3 * time.Second
	// minPollTimeout and maxPollTimeout bound one reading of the head.
	minPollTimeout = 500 * time.Millisecond
	maxPollTimeout = 2 * time.Second
	// heartbeatInterval bounds the time between two readings of the head while a watch wants heartbeats.
	heartbeatInterval = time.Second
)

// poll reads the head for the watchers until there are none or the store is closed.
func (s *Store) poll() {
	last, down := time.Now(), false // last is when the last successful reading began
	for !s.idle() {
		began := time.Now()
		timeout := maxPollTimeout
		if !down {
			timeout = min(max(silence-began.Sub(last), minPollTimeout), maxPollTimeout)
		}
		err := s.readHead(timeout)
		switch {
		case err == nil:
			if down {
				s.opts.Logger.Info("the changes of other servers can be read again")
			}
			last, down = began, false
			s.resume(began)
		case !down && time.Since(last) >= silence-minPollTimeout:
			s.opts.Logger.Warn("the changes of other servers cannot be read: retrying", "error", err)
			s.interrupt(err)
			down = true
		}
		s.await(time.Until(began.Add(s.pollInterval())))
	}
}

// idle reports whether there are no watchers or the store is closed. If so, poll must end.
func (s *Store) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling = len(s.feeds) > 0 && s.closing.Err() == nil
	return !s.polling
}

// pollInterval returns the time between two readings of the head. The subscription of a watch that shortens it has the
// head read at once.
func (s *Store) pollInterval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.feeds {
		for w := range f.watchers {
			if w.heartbeats {
				return min(s.opts.PollInterval, heartbeatInterval)
			}
		}
	}
	return s.opts.PollInterval
}

// await waits until it is time to read the head.
func (s *Store) await(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.closing.Done():
	case <-s.awake:
	case <-t.C:
	}
}

// readHead reads the head if it has changed.
func (s *Store) readHead(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(s.closing, timeout)
	defer cancel()
	known := s.knownHead()
	o, err := s.bucket.getUnless(ctx, s.headName(), known.tag)
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, errAbsent):
		s.observe(head{}, "", known.seen)
		return s.writeHead(ctx, nil, 0)
	case err != nil:
		return err
	}
	h, err := parseHead(o)
	if err != nil {
		s.refuse(err)
		return err
	}
	s.observe(h, o.tag, known.seen)
	return nil
}

// resume begins or continues the watches after a successful reading that began at a time, and lists kinds when it is
// time.
func (s *Store) resume(began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, f := range s.feeds {
		f.resumeLocked(began)
		if !f.checking && !time.Now().Before(f.check) {
			s.checkLocked(kind, f)
		}
	}
}

// interrupt tells all watchers that the head cannot be read.
func (s *Store) interrupt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.feeds {
		f.interruptLocked(err)
	}
}
