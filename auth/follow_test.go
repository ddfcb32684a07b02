package auth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// follow runs Follow until the test ends.
func follow(t *testing.T, a *auth.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Follow(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// eventually waits until a token is valid, or no longer valid, because another server has written it.
func eventually(t *testing.T, a *auth.Service, token string, want bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := a.Authenticate(t.Context(), token)
		if (err == nil) == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after 10 s, Authenticate: %v; want valid %v", err, want)
		}
	}
}

// eventuallyTrue waits until a condition holds.
func eventuallyTrue(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 10 s, not true: %s", what)
		}
	}
}

// TestFollow checks that a server learns of the tokens that another one makes and revokes.
func TestFollow(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	follow(t, here)
	token, id := issue(t, there, adminGrant)
	eventuallyTrue(t, "the token is listed", func() bool { _, ok := here.Info(id); return ok })
	if err := there.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	eventually(t, here, token, false)
}

// TestFollowEpochs checks that a server learns of the first use of a recovered token on another one.
func TestFollowEpochs(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	old, _ := issue(t, there, titleGrant)
	follow(t, here)
	eventually(t, here, old, true)
	recoverAndUse(t, there, titleGrant)
	eventually(t, here, old, false)
}

// A syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestFollowSkipsUnreadableRecords checks that a record that cannot be read is logged, makes its token invalid until it
// can be read again, and does not keep the server from learning of others.
func TestFollowSkipsUnreadableRecords(t *testing.T) {
	s := memstore.New()
	there := open(t, s, nil)
	broken, brokenID := issue(t, there, adminGrant)
	made, _ := issueWith(t, there, broken, titleGrant)
	var log syncBuffer
	opts := &auth.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	here, err := auth.Open(t.Context(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	key := store.Key{Kind: "tokens", ID: brokenID}
	readable, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key, `{"format":99}`)
	follow(t, here) // reads all records first
	listed := func(id string) func() bool {
		return func() bool { _, ok := here.Info(id); return ok }
	}
	_, oneID := issue(t, there, adminGrant)
	eventuallyTrue(t, "the first token is listed", listed(oneID))
	checkUnauthorized(t, here, broken)
	put(t, s, key, string(readable.Value))
	eventually(t, here, broken, true)
	put(t, s, key, `{`)
	_, twoID := issue(t, there, adminGrant)
	eventuallyTrue(t, "the second token is listed", listed(twoID))
	checkUnauthorized(t, here, broken)
	checkUnauthorized(t, here, made)
	if err := errors.Join(here.Flush(t.Context()), here.Purge(t.Context(), time.Now())); err != nil {
		t.Error(err)
	}
	if err := here.Revoke(t.Context(), brokenID); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("Revoke of the token: %v, want ErrUnavailable", err)
	}
	if err := here.Revoke(t.Context(), oneID); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"format 99", brokenID} {
		if !bytes.Contains([]byte(log.String()), []byte(want)) {
			t.Errorf("the log does not contain %q: %s", want, log.String())
		}
	}
	if _, err := auth.Open(t.Context(), s, nil); err == nil {
		t.Error("Open with an unreadable record: no error")
	}
	put(t, s, key, string(readable.Value))
	eventually(t, here, broken, true)
	eventually(t, here, made, true)
}

// TestFollowUnreadableEpoch checks that an owner's tokens are invalid while the record of the owner's epoch cannot be
// read, because that may have ended them, and that they are kept.
func TestFollowUnreadableEpoch(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	token, _ := issue(t, there, titleGrant)
	follow(t, here)
	eventually(t, here, token, true)
	key := store.Key{Kind: "epochs", ID: "title/u"}
	put(t, s, key, `{"format":99,"current":1,"issued":1}`)
	eventually(t, here, token, false)
	if err := here.Purge(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
	if _, _, err := here.Recover(t.Context(), titleGrant); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("Recover: %v, want ErrUnavailable", err)
	}
	put(t, s, key, `{"format":1,"current":0,"issued":1}`)
	eventually(t, here, token, true)
	recoverAndUse(t, there, titleGrant)
	eventually(t, here, token, false)
}

// put writes a record, whatever the store has.
func put(t *testing.T, s store.Store, key store.Key, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// A corruptingStore reports one record as corrupt.
type corruptingStore struct {
	*memstore.Store
	corrupt atomic.Pointer[store.Key]
}

// Get implements store.Store.
func (c *corruptingStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if k := c.corrupt.Load(); k != nil && *k == key {
		return store.Record{}, store.ErrCorrupt
	}
	return c.Store.Get(ctx, key)
}

// TestFollowSkipsCorruptRecords checks that a record that the store reports as corrupt does not keep the server from
// learning of later revocations, and that its token is invalid until it can be read again.
func TestFollowSkipsCorruptRecords(t *testing.T) {
	s := &corruptingStore{Store: memstore.New()}
	here, there := open(t, s, nil), open(t, s.Store, nil)
	follow(t, here)
	broken, brokenID := issue(t, there, adminGrant)
	other, otherID := issue(t, there, adminGrant)
	eventuallyTrue(t, "both tokens are listed", func() bool { return len(here.List()) == 2 })
	key := store.Key{Kind: "tokens", ID: brokenID}
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	s.corrupt.Store(&key)
	put(t, s, key, string(r.Value))
	if err := there.Revoke(t.Context(), otherID); err != nil {
		t.Fatal(err)
	}
	eventually(t, here, other, false)
	checkUnauthorized(t, here, broken)
	s.corrupt.Store(nil)
	put(t, s, key, string(r.Value))
	eventually(t, here, broken, true)
}

// TestFollowWithoutWatcher checks that Follow returns at once if the store cannot report changes.
func TestFollowWithoutWatcher(t *testing.T) {
	unwatched := struct{ store.Store }{memstore.New()}
	open(t, unwatched, nil).Follow(t.Context())
}
