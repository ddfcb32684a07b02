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

func mailboxes(t testing.TB, path string) *auth.Mailboxes {
	t.Helper()
	s, _, err := auth.LoadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := auth.NewMailboxes(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is missing is an error, and no panic later.
func TestMissingParts(t *testing.T) {
	if _, err := auth.NewMailboxes(auth.Secret{}); err == nil {
		t.Error("mailboxes without a secret")
	}
	if _, err := auth.Open(t.Context(), nil, nil); err == nil {
		t.Error("tokens without a store")
	}
}

func TestCountingAddress(t *testing.T) {
	for address, want := range map[string]string{
		"ann@example.com":       "ann@example.com",
		"ann+x@example.com":     "ann@example.com",
		"ann+x+y@example.com":   "ann@example.com",
		"+ann@example.com":      "+ann@example.com",
		"ann@plus+example.com":  "ann@plus+example.com",
		"ann+@example.com":      "ann@example.com",
		"no address+whatsoever": "no address+whatsoever",
	} {
		if got := auth.CountingAddress(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
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
	m := mailboxes(t, path)
	ann := hash(m, "ann@example.com")
	again := mailboxes(t, path) // after a restart
	for _, same := range []string{"ann@example.com", " Ann@Example.COM\t"} {
		if !ann.Equal(hash(again, same)) {
			t.Errorf("%q is another mailbox", same)
		}
	}
	other := mailboxes(t, path+"2")
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
	m := mailboxes(b, filepath.Join(b.TempDir(), "secret"))
	for b.Loop() {
		if _, err := m.Hash(context.Background(), "ann@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
