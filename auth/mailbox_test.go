package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

func secret(t testing.TB, path string) auth.Secret {
	t.Helper()
	s, _, err := auth.LoadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMailboxes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	hash := func(m *auth.Mailboxes, address string) auth.MailboxHash {
		t.Helper()
		h, err := m.Hash(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	m := auth.NewMailboxes(secret(t, path))
	ann := hash(m, "ann@example.com")
	again := auth.NewMailboxes(secret(t, path)) // after a restart
	for _, same := range []string{"ann@example.com", " Ann@Example.COM\t"} {
		if !ann.Equal(hash(again, same)) {
			t.Errorf("%q is another mailbox", same)
		}
	}
	other := auth.NewMailboxes(secret(t, path+"2"))
	for _, h := range []auth.MailboxHash{hash(m, "bob@example.com"), hash(other, "ann@example.com"), {}} {
		if ann.Equal(h) || h.Equal(ann) {
			t.Errorf("%+v is the same mailbox", h)
		}
	}
	if (auth.MailboxHash{}).Equal(auth.MailboxHash{}) {
		t.Error("nothing is a mailbox")
	}
	data, err := json.Marshal(ann)
	if err != nil || strings.Contains(string(data), "ann") {
		t.Errorf("%s %v", data, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // of two that are ready, select takes any
		if _, err := m.Hash(over, "x"); err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("a context that has ended stops nothing")
}

func BenchmarkMailboxHash(b *testing.B) {
	m := auth.NewMailboxes(secret(b, filepath.Join(b.TempDir(), "secret")))
	for b.Loop() {
		if _, err := m.Hash(context.Background(), "ann@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
