package sqlstore

import (
	"context"
	"time"
)

// minNotifyPause is the shortest time between two notifications.
const minNotifyPause = 10 * time.Millisecond

// notify tells the other servers that a record has changed, if they listen. The notification is not part of the write:
// transactions that notify commit one after the other, and a lost notification only delays the change.
func (s *Store) notify() {
	if s.opts.Listen == nil {
		return
	}
	signal(s.written)
	s.notifier.Do(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closing.Err() == nil {
			s.work.Go(s.sendNotifications)
		}
	})
}

// sendNotifications sends a notification for the writes since the one before, until the store is closed.
func (s *Store) sendNotifications() {
	for {
		select {
		case <-s.closing.Done():
			return
		case <-s.written:
		}
		s.sendNotification()
		pause(s.closing, minNotifyPause)
	}
}

// sendNotification sends one notification. The log is polled, so that it need not succeed.
func (s *Store) sendNotification() {
	ctx, cancel := context.WithTimeout(s.closing, feedTimeout)
	defer cancel()
	_, _ = s.db.ExecContext(ctx, sendNotification, s.channel)
}

// listen has the log read at once after each notification, until ctx ends.
func (s *Store) listen(ctx context.Context) {
	for wait := minConnectPause; ctx.Err() == nil; wait = min(2*wait, maxConnectPause) {
		err := s.opts.Listen(ctx, s.channel, func() {
			wait = minConnectPause
			signal(s.awake)
		})
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("notifications cannot be received, so that changes are seen later: retrying",
				"error", err)
		}
		pause(ctx, jitter(wait))
	}
}
