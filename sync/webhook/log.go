package webhook

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

const (
	// logPause is the time in which outcomes are collected before they are written to the logs. It doubles up to
	// maxLogPause while the store fails.
	logPause    = time.Second
	maxLogPause = time.Minute
)

// logKey returns the key of the log of a webhook.
func logKey(hook string) store.Key { return store.Key{Kind: logKind, ID: hook} }

// note adds an outcome to those that the log of a webhook lacks. Only the newest are kept. The caller must hold mu.
func (q *queues) note(h *hook, outcome logEntry) {
	id := outcome.Notice.ID
	h.outcomes[id] = h.outcomes[id].after(outcome)
	if len(h.outcomes) > 2*maxLogEntries {
		kept := newest(h.outcomes, maxLogEntries)
		clear(h.outcomes)
		for _, e := range kept {
			h.outcomes[e.Notice.ID] = e
		}
	}
	signal(q.logWake)
}

// unlogged returns the webhooks whose logs lack outcomes.
func (q *queues) unlogged() (hooks []*hook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.hooks {
		if len(h.outcomes)+len(h.unsure) > 0 {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// takeOutcomes returns the next outcomes to write to the log of a webhook. They stay unsure until setLogged is called.
// If again, an earlier write of them has failed. The caller must hold h.logging.
func (q *queues) takeOutcomes(h *hook) (outcomes map[string]logEntry, again bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h.deleted {
		return nil, false
	}
	if again = len(h.unsure) > 0; !again {
		h.unsure, h.outcomes = h.outcomes, map[string]logEntry{}
	}
	return h.unsure, again
}

// setLogged notes that the log has the outcomes that takeOutcomes returned. The caller must hold h.logging.
func (q *queues) setLogged(h *hook) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h.unsure = nil
}

// keepLogs writes the outcomes of deliveries to the logs of their webhooks until ctx ends, each log about once a second
// at most. It does so on every server: those that deliver nothing drop events of full queues.
func (w *Service) keepLogs(ctx context.Context) {
	for wait := logPause; ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			return
		case <-w.queues.logWake:
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return // writeLastLogs writes the rest
		}
		err := w.writeLogs(ctx)
		if err == nil {
			wait = logPause
			continue
		}
		if wait == logPause && ctx.Err() == nil {
			w.log.Error("the logs of deliveries cannot be written yet", "error", err)
		}
		wait = min(2*wait, maxLogPause)
		signal(w.queues.logWake)
	}
}

// writeLastLogs writes the outcomes that the logs lack when the work ends.
func (w *Service) writeLastLogs(ctx context.Context) {
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if err := w.writeLogs(ctx); err != nil {
		w.log.Error("the logs of deliveries lack the last outcomes", "error", err)
	}
}

// writeLogs writes all outcomes that the logs lack, several logs at once. It returns the first error.
func (w *Service) writeLogs(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(maxFollowers)
	for _, h := range w.queues.unlogged() {
		group.Go(func() error { return w.writeLog(ctx, h) })
	}
	return group.Wait()
}

// writeLog adds the outcomes that the log of a webhook lacks. After an error they are kept for another attempt, unless
// a newer version wrote the log.
func (w *Service) writeLog(ctx context.Context, h *hook) error {
	h.logging.Lock()
	defer h.logging.Unlock()
	for {
		outcomes, again := w.queues.takeOutcomes(h)
		if len(outcomes) == 0 {
			return nil
		}
		add := merge
		if again {
			add = mergeAgain
		}
		if err := w.addToLog(ctx, h, outcomes, add); err != nil {
			return err
		}
		if w.queues.setLogged(h); !again {
			return nil // outcomes of meanwhile are for the next write
		}
	}
}

// addToLog adds outcomes to the log of a webhook by merge or mergeAgain. The caller must hold h.logging.
func (w *Service) addToLog(
	ctx context.Context, h *hook, outcomes map[string]logEntry, add func(entries, outcomes map[string]logEntry),
) error {
	created := false
	_, err := store.Update(ctx, w.store, logKey(h.ID), func(old store.Record) ([]byte, error) {
		created = old.Revision == ""
		entries, err := openLog(old)
		if err != nil {
			return nil, err
		}
		add(entries, outcomes)
		return sealLog(entries)
	})
	switch {
	case errors.Is(err, store.ErrFormat):
		w.log.Error("a log of deliveries was written by a newer version and is not continued", "error", err)
		return nil
	case errors.Is(err, store.ErrCorrupt):
		w.log.Error("a log of deliveries is corrupt and begins anew", "webhook", h.ID, "error", err)
		err = errors.Join(err, w.deleteLog(ctx, h.ID))
	}
	if err != nil || !created {
		return err
	}
	// Another server may have deleted the webhook with its log just before.
	return w.dropOrphanLog(ctx, h.ID)
}

// deleteLog deletes the log of a webhook.
func (w *Service) deleteLog(ctx context.Context, hook string) error {
	err := w.store.Delete(ctx, logKey(hook), store.Condition{})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// dropLog deletes the log of a webhook that was deleted here, also if ctx has ended.
func (w *Service) dropLog(ctx context.Context, h *hook) {
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	h.logging.Lock()
	defer h.logging.Unlock()
	if err := w.deleteLog(ctx, h.ID); err != nil {
		w.log.Error("the log of a deleted webhook is left until the next start", "webhook", h.ID, "error", err)
	}
}

// dropOrphanLogs deletes the logs of webhooks that no longer exist.
func (w *Service) dropOrphanLogs(ctx context.Context) error {
	var orphans []string
	for c, err := range store.Revisions(ctx, w.store, logKind) {
		if err != nil {
			return unavailable(ctx, err)
		}
		if w.queues.hook(c.Key.ID) == nil {
			orphans = append(orphans, c.Key.ID)
		}
	}
	for _, id := range orphans {
		if err := w.dropOrphanLog(ctx, id); err != nil {
			return unavailable(ctx, err)
		}
	}
	return nil
}

// dropOrphanLog deletes the log of a webhook if the store does not have the webhook.
func (w *Service) dropOrphanLog(ctx context.Context, hook string) error {
	exists, err := w.hookExists(ctx, hook)
	if err != nil || exists {
		return err
	}
	return w.deleteLog(ctx, hook)
}
