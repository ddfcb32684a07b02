package community

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

// newTestHasher returns a hasher with a secret that consists of 32 times the same byte.
func newTestHasher(t testing.TB, b byte) *mailboxHasher {
	t.Helper()
	secret, err := auth.NewSecret(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return newMailboxHasher(secret)
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
		if got := countingAddress(address); got != want {
			t.Errorf("countingAddress(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestMailboxHash(t *testing.T) {
	hash := func(m *mailboxHasher, address string) mailboxHash {
		t.Helper()
		h, err := m.hash(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	m := newTestHasher(t, 7)
	ann := hash(m, "ann@example.com")
	again := newTestHasher(t, 7) // as after a restart
	for _, same := range []string{"ann@example.com", " Ann@Example.COM\t"} {
		if !ann.equal(hash(again, same)) {
			t.Errorf("%q has another hash", same)
		}
	}
	other := newTestHasher(t, 8)
	for _, h := range []mailboxHash{hash(m, "bob@example.com"), hash(other, "ann@example.com"), {}} {
		if ann.equal(h) || h.equal(ann) {
			t.Errorf("%+v equals the hash of ann@example.com", h)
		}
	}
	if (mailboxHash{}).equal(mailboxHash{}) {
		t.Error("two zero hashes are equal")
	}
	data, err := json.Marshal(ann)
	if err != nil || strings.Contains(string(data), "ann") {
		t.Errorf("the record is %s, error %v; want no part of the address", data, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // select takes either of two cases that are ready
		if _, err := m.hash(ended, "x"); err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("hash with a context that has ended: %v, want context.Canceled", err)
			}
			return
		}
	}
	t.Error("hash ignores a context that has ended")
}

// TestMailboxHashFormat checks that hashes in stores of earlier releases still match: neither the derivation of the
// keys nor the parameters may change.
func TestMailboxHashFormat(t *testing.T) {
	const want = `{"key_id":"0ad36d5f","time":2,"memory":19456,"threads":1,` +
		`"hash":"6d263e5ca4d5d80b38e6d8484d586febee54ceb4ed3dd2ea469960d255c2fefd"}`
	h, err := newTestHasher(t, 7).hash(t.Context(), "Ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(h); err != nil || string(got) != want {
		t.Errorf("hash of Ann@example.com:\n got %s, error %v\nwant %s", got, err, want)
	}
}

func BenchmarkMailboxHash(b *testing.B) {
	m := newTestHasher(b, 7)
	for b.Loop() {
		if _, err := m.hash(context.Background(), "ann@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
