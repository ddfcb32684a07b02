package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

const (
	// maxTitles bounds the number of titles that a webhook can name.
	maxTitles = 10_000
	// maxSecretLength bounds the length of a secret in bytes.
	maxSecretLength = 1000
)

// Create adds a webhook and returns its id. If several servers share the store, the others know of the webhook a moment
// later: it may not be notified of changes that they make before. The error is [ErrInvalid], [catalog.ErrUnavailable]
// or that of ctx.
func (w *Service) Create(ctx context.Context, h Hook) (id string, err error) {
	h.ID = rand.Text()
	if h.Format == "" {
		h.Format = JSON
	}
	if err := w.check(h); err != nil {
		return "", err
	}
	w.changing.Lock()
	defer w.changing.Unlock()
	if n := w.queues.hookCount(); n >= maxHooks {
		return "", &InvalidError{"url", fmt.Sprintf("there are already %d webhooks, the maximum: delete one first", n)}
	}
	value, err := json.Marshal(w.vault.seal(h))
	if err != nil {
		return "", err
	}
	err = store.Finish(ctx, func(ctx context.Context) error {
		_, err := w.store.Put(ctx, store.Key{Kind: hooksKind, ID: h.ID}, value, store.IfAbsent())
		return err
	})
	if err != nil {
		return "", unavailable(ctx, err)
	}
	w.queues.addHook(newHook(h))
	return h.ID, nil
}

// check reports why a webhook is invalid: it joins an InvalidError for each invalid member.
func (w *Service) check(h Hook) error {
	var all []error
	fail := func(field, message string) { all = append(all, &InvalidError{field, message}) }
	if h.URL == "" {
		fail("url", "is missing: add it")
	} else if _, err := w.sender.strict.Check(h.URL); err != nil {
		fail("url", err.Error())
	}
	switch h.Format {
	case JSON, Slack, Teams:
	default:
		fail("format", fmt.Sprintf("must be json, slack or teams, not %q", h.Format))
	}
	for i, kind := range h.Events {
		if kind == testKind || names[kind] == "" {
			fail(fmt.Sprintf("events/%d", i), "must be new_title, title_updated, title_deleted, watch_failed, "+
				"watch_recovered or version_proposed")
		}
	}
	if len(h.Titles) > maxTitles {
		fail("titles", fmt.Sprintf("must name at most %d titles", maxTitles))
	}
	return errors.Join(append(all, w.checkSecret(h.Secret))...)
}

// checkSecret reports why a secret is invalid.
func (w *Service) checkSecret(secret string) error {
	switch _, err := signingKey(secret); {
	case secret == "":
		return nil
	case w.vault.aead == nil:
		return &InvalidError{"secret", "cannot be kept, because this server has no key to encrypt it"}
	case len(secret) > maxSecretLength:
		return &InvalidError{"secret", fmt.Sprintf("must have at most %d characters", maxSecretLength)}
	case err != nil:
		return &InvalidError{"secret", "must be base64 after whsec_"}
	}
	return nil
}

// Delete removes a webhook, its pending events and the log of its deliveries. The error is [ErrNotFound],
// [catalog.ErrUnavailable] or that of ctx.
func (w *Service) Delete(ctx context.Context, id string) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	h := w.queues.hook(id)
	if h == nil {
		return fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	err := store.Finish(ctx, func(ctx context.Context) error {
		return w.store.Delete(ctx, store.Key{Kind: hooksKind, ID: id}, store.Condition{})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return unavailable(ctx, err)
	}
	w.dropAll(ctx, w.queues.removeHook(id)) // Open removes what cannot be removed now
	w.dropLog(ctx, h)
	return nil
}

// List returns all webhooks with their status, in the order of their URLs.
func (w *Service) List() []Status {
	all := w.queues.statuses()
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Hook.URL, b.Hook.URL), cmp.Compare(a.Hook.ID, b.Hook.ID))
	})
	return all
}

// Pending returns the number of pending events of all webhooks.
func (w *Service) Pending() int {
	w.queues.mu.Lock()
	defer w.queues.mu.Unlock()
	return len(w.queues.deliveries)
}

// Test queues a test event for a webhook, even if it is not enabled. The error is [ErrNotFound],
// [catalog.ErrUnavailable] or that of ctx.
func (w *Service) Test(ctx context.Context, id string) error {
	h := w.queues.hook(id)
	if h == nil {
		return fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	n := catalog.Notice{ID: "test-" + rand.Text(), Kind: testKind, At: w.now().UTC()}
	n.Title.ID, n.Title.Name, n.Title.CurrentVersion = "Test", "Test", "1.0"
	err := w.enqueue(ctx, h, n, time.Time{})
	if errors.Is(err, ErrFull) {
		w.dropNew(h, n)
		return nil
	}
	return err
}
