package webhook

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

const (
	// attemptsAtOnce and attemptsPerHook bound the attempts under way: in all, and
	// to one webhook. One that fails is tried by one at a time.
	attemptsAtOnce  = 32
	attemptsPerHook = 4
	// firstPause and longestPause bound how long an event, or a webhook, that fails
	// is left alone; in between it doubles.
	firstPause   = 2 * time.Second
	longestPause = time.Hour
	// longestHookPause bounds it for a webhook: what waits for it should not wait
	// much longer than it is down.
	longestHookPause = 5 * time.Minute
)

// Run delivers events until ctx ends, and then waits for the attempts under way. The
// error is [ErrRunning] if another Run of w has not ended.
func (w *Service) Run(ctx context.Context) error {
	if !w.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer w.running.Store(false)
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer func() {
		cancel()
		working.Wait()
		w.strict.Close()
		w.lenient.Close()
	}()
	lead := ctx // until it ends, this server delivers
	var elected chan context.Context
	if watcher, ok := store.As[store.Watcher](w.store); ok {
		lead, elected = nil, make(chan context.Context)
		working.Go(func() { w.follow(ctx, watcher) })
		working.Go(func() {
			opts := store.LeaseOptions{Name: "webhooks", TTL: w.lease, Now: w.now, Logger: w.log}
			store.Campaign(ctx, w.store, opts, func(lead context.Context) {
				select {
				case elected <- lead:
				case <-lead.Done():
				}
			})
		})
	}
	ended := make(chan struct{}, attemptsAtOnce)
	running := 0
	for {
		wait := time.Minute
		var over <-chan struct{}
		if lead != nil && lead.Err() != nil {
			lead = nil
		}
		if lead := lead; lead != nil {
			over = lead.Done()
			var due []*delivery
			due, wait = w.due(attemptsAtOnce - running)
			for _, d := range due {
				running++
				working.Go(func() {
					w.attempt(lead, d)
					ended <- struct{}{}
				})
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-over:
		case lead = <-elected:
		case <-ended:
			running--
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// follow brings what is here to what other servers write, until ctx ends.
func (w *Service) follow(ctx context.Context, watcher store.Watcher) {
	var following sync.WaitGroup
	defer following.Wait()
	watch := func(kind string, changed func(store.Change) error) {
		for ctx.Err() == nil {
			for change, err := range watcher.Watch(ctx, kind) {
				if err == nil {
					err = changed(change)
				}
				if err != nil && ctx.Err() == nil {
					w.log.Error("what other servers write is seen late", "error", err)
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	following.Go(func() {
		watch(hooksKind, func(store.Change) error {
			if err := w.loadHooks(ctx); err != nil {
				return err
			}
			return w.loadQueue(ctx) // something may wait for one that was not known
		})
	})
	following.Go(func() {
		watch(deliveriesKind, func(c store.Change) error {
			if c.Key == (store.Key{}) {
				return w.loadQueue(ctx)
			}
			rec, err := w.store.Get(ctx, c.Key)
			w.mu.Lock()
			defer w.mu.Unlock()
			switch {
			case errors.Is(err, store.ErrNotFound):
				w.forget(c.Key)
				return nil
			case err != nil:
				return err
			}
			if d := w.decode(rec); d != nil && d.hook != nil {
				w.join(d)
			}
			return nil
		})
	})
}

// forget takes a delivery that another server has made out of the queue. Who calls it
// has mu.
func (w *Service) forget(key store.Key) {
	d := w.known[key.ID]
	if d == nil || d.running || d.hook.gone { // if it is under way here, it will be done
		return
	}
	delete(w.known, key.ID)
	if !d.queued {
		return
	}
	h := d.hook
	chain := h.chains[d.title]
	if chain[0] == d {
		h.unready(d)
		h.done(d)
		return
	}
	at := slices.Index(chain, d)
	h.chains[d.title] = slices.Delete(chain, at, at+1)
	h.pending--
	h.bytes -= d.size
}

// due takes at most n deliveries whose turn it is, of webhooks in turn, and says how
// long to wait for the next.
func (w *Service) due(n int) (due []*delivery, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	wait = time.Minute
	for found := true; found && len(due) < n; {
		found = false
		for _, h := range w.hooks {
			atOnce := attemptsPerHook
			if h.status.Failures > 0 {
				atOnce = 1
			}
			if h.locked || len(h.ready) == 0 || h.running >= atOnce || len(due) >= n {
				continue
			}
			at := h.ready[0].next
			if h.next.After(at) {
				at = h.next
			}
			if at.After(now) {
				wait = min(wait, at.Sub(now))
				continue
			}
			d := heap.Pop(&h.ready).(*delivery)
			d.running = true
			h.running++
			due = append(due, d)
			found = true
		}
	}
	return due, wait
}

// attempt tries to deliver an event, and notes how it went.
func (w *Service) attempt(ctx context.Context, d *delivery) {
	began := w.now().UTC()
	status, retryAfter, err := w.send(ctx, d)
	if ctx.Err() != nil && err != nil { // it says nothing about the receiver
		w.mu.Lock()
		d.running = false
		d.hook.running--
		heap.Push(&d.hook.ready, d)
		w.mu.Unlock()
		return
	}
	over := err == nil || began.Sub(d.since) > maxAge
	if over {
		w.drop(context.WithoutCancel(ctx), d)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := d.hook
	d.running = false
	h.running--
	s := &h.status
	s.LastAttempt = began
	if err == nil {
		if s.Failures > 0 {
			w.log.Info("a webhook answers again", "webhook", h.ID, "host", h.host())
		}
		s.LastSuccess, s.Failures, s.LastError, s.Status, h.next = began, 0, "", 0, time.Time{}
	} else {
		if s.Failures == 0 {
			w.log.Warn("a webhook fails; what it is to be told is kept for a day", "webhook", h.ID, "host", h.host(), "error", err)
		}
		s.Failures++
		s.LastError, s.Status = err.Error(), status
		d.tries++
		now := w.now()
		d.next = now.Add(max(pause(d.tries, longestPause), retryAfter))
		h.next = now.Add(max(pause(s.Failures, longestHookPause), min(retryAfter, longestHookPause)))
	}
	if over {
		if err != nil {
			s.Dropped++
			w.log.Error(
				"an event is given up: the webhook did not take it for a day",
				"webhook",
				h.ID,
				"host",
				h.host(),
				"event",
				d.key.ID,
			)
		}
		h.done(d)
	} else {
		heap.Push(&h.ready, d)
	}
}

// addDefinition adds to an event the definition that was too large to be kept with it,
// if the title is still there.
func (w *Service) addDefinition(ctx context.Context, h *hook, n *catalog.Notice) error {
	if !h.sendsDefinition() || n.Definition != nil || w.definition == nil {
		return nil
	}
	if n.Kind != catalog.Created && n.Kind != catalog.Updated {
		return nil
	}
	data, err := w.definition(ctx, n.Title.ID)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the definition cannot be read: %w", err)
	}
	n.Definition = data
	return nil
}

// pause is how long to wait after a number of failures, with jitter.
func pause(failures int, longest time.Duration) time.Duration {
	d := firstPause << min(failures-1, 20)
	d = min(d, longest)
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}

// send sends an event once. retryAfter is how long the receiver asks to be left alone.
func (w *Service) send(ctx context.Context, d *delivery) (status int, retryAfter time.Duration, err error) {
	rec, err := w.store.Get(ctx, d.key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, 0, nil // it is over, or its webhook is
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the storage of this server is unavailable")
	}
	var r deliveryRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return 0, 0, fmt.Errorf("the event cannot be read: %w", err)
	}
	if err := w.addDefinition(ctx, d.hook, &r.Notice); err != nil {
		return 0, 0, err
	}
	body, err := w.body(d.hook, &r.Notice)
	if err != nil {
		return 0, 0, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if err := sign(header, d.hook.Secret, r.Notice.ID, w.now(), body); err != nil {
		return 0, 0, err
	}
	client := w.strict
	if !d.hook.VerifySSL {
		client = w.lenient
	}
	res, err := client.Do(
		ctx,
		safehttp.Request{Method: http.MethodPost, URL: d.hook.URL, Header: header, Body: body, IgnoreBody: true},
	)
	switch {
	case err != nil:
		return 0, 0, err
	case res.Status >= 200 && res.Status < 300:
		return 0, 0, nil
	case res.Status >= 300 && res.Status < 400:
		err = fmt.Errorf(
			"it answered %d: it redirects, which is not followed: give the address that it redirects to",
			res.Status,
		)
	default:
		err = fmt.Errorf("it answered %d %s", res.Status, http.StatusText(res.Status))
	}
	if n, convErr := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After"))); convErr == nil && n > 0 {
		retryAfter = min(time.Duration(min(n, 1<<20))*time.Second, longestPause)
	}
	return res.Status, retryAfter, err
}
