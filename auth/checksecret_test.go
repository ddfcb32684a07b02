package auth_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// secretOf returns a secret of equal bytes.
func secretOf(t *testing.T, b byte) auth.Secret {
	t.Helper()
	s, err := auth.NewSecret(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The first secret of a store is that of all servers, until it is replaced.
func TestCheckSecret(t *testing.T) {
	ctx, s := t.Context(), memstore.New()
	one, two := secretOf(t, 1), secretOf(t, 2)
	if has, err := auth.HasSecret(ctx, s); has || err != nil {
		t.Errorf("HasSecret() = %v, %v, want false", has, err)
	}
	for range 2 {
		if err := auth.CheckSecret(ctx, s, one); err != nil {
			t.Fatal(err)
		}
	}
	if has, err := auth.HasSecret(ctx, s); !has || err != nil {
		t.Errorf("HasSecret() = %v, %v, want true", has, err)
	}
	err := auth.CheckSecret(ctx, s, two)
	if !errors.Is(err, auth.ErrSecret) || !strings.Contains(err.Error(), "use the secret of the other servers") {
		t.Errorf("another secret: %v, want ErrSecret with what to do", err)
	}
	r, err := s.Get(ctx, store.Key{Kind: "config", ID: "secret"})
	if err != nil || bytes.Contains(r.Value, bytes.Repeat([]byte{1}, 8)) {
		t.Errorf("the record: %s, %v", r.Value, err)
	}
	if err := auth.ReplaceSecret(ctx, s, two); err != nil {
		t.Fatal(err)
	}
	if err := auth.CheckSecret(ctx, s, two); err != nil {
		t.Errorf("the new secret: %v", err)
	}
	if err := auth.CheckSecret(ctx, s, one); !errors.Is(err, auth.ErrSecret) {
		t.Errorf("the replaced secret: %v, want ErrSecret", err)
	}
	if err := auth.CheckSecret(ctx, s, auth.Secret{}); err == nil {
		t.Error("the zero Secret: no error")
	}
	for _, value := range []string{`{`, `{"format":2}`} {
		if _, err := s.Put(ctx, r.Key, []byte(value), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if err := auth.CheckSecret(ctx, s, two); err == nil || errors.Is(err, auth.ErrSecret) {
			t.Errorf("the record %s: %v, want another error than ErrSecret", value, err)
		}
	}
	down := &link{Store: memstore.New()}
	down.cut.Store(true)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := auth.CheckSecret(canceled, down, one); !errors.Is(err, auth.ErrUnavailable) {
		t.Errorf("without the store: %v, want ErrUnavailable", err)
	}
}

// Of servers with different secrets that start at the same time over a new store, those with one secret may go on.
func TestCheckSecretAtTheSameTime(t *testing.T) {
	s := memstore.New()
	var accepted [4]atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			err := auth.CheckSecret(context.Background(), s, secretOf(t, byte(i%4)))
			if err == nil {
				accepted[i%4].Add(1)
			} else if !errors.Is(err, auth.ErrSecret) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	secrets := 0
	for i := range accepted {
		if n := accepted[i].Load(); n == 10 {
			secrets++
		} else if n != 0 {
			t.Errorf("a secret was accepted %d times of 10", n)
		}
	}
	if secrets != 1 {
		t.Errorf("%d secrets were accepted, want 1", secrets)
	}
}
