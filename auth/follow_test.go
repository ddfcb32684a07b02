package auth_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
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

// TestFollow checks that a server learns of the tokens that another one makes and revokes.
func TestFollow(t *testing.T) {
	s := memstore.New()
	here, there := open(t, s, nil), open(t, s, nil)
	follow(t, here)
	token, id := issue(t, there, adminGrant)
	eventually(t, here, token, true)
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

// TestFollowSkipsUnreadableRecords checks that a record that cannot be read is logged, does not end a valid token, and
// does not keep the server from learning of others.
func TestFollowSkipsUnreadableRecords(t *testing.T) {
	s := memstore.New()
	there := open(t, s, nil)
	broken, brokenID := issue(t, there, adminGrant)
	var log syncBuffer
	opts := &auth.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	here, err := auth.Open(t.Context(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	key := store.Key{Kind: "tokens", ID: brokenID}
	if _, err := s.Put(t.Context(), key, []byte(`{"format":99}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	follow(t, here) // reads all records first
	one, oneID := issue(t, there, adminGrant)
	eventually(t, here, one, true)
	if _, err := s.Put(t.Context(), key, []byte(`{`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	two, _ := issue(t, there, adminGrant)
	eventually(t, here, two, true)
	if _, err := here.Authenticate(t.Context(), broken); err != nil {
		t.Errorf("the token whose record cannot be read: %v", err)
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
}

// TestFollowWithoutWatcher checks that Follow returns at once if the store cannot report changes.
func TestFollowWithoutWatcher(t *testing.T) {
	unwatched := struct{ store.Store }{memstore.New()}
	open(t, unwatched, nil).Follow(t.Context())
}
