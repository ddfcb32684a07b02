package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"

	"golang.org/x/crypto/argon2"
)

// A MailboxHash is what is kept of an address: it tells whether another address is
// of the same mailbox, to who has the server's secret, and nothing to who has not.
type MailboxHash struct {
	// KeyID names the secret that it was made with.
	KeyID string `json:"key_id"`
	// Time, Memory (in KiB) and Threads are argon2id's parameters.
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"`
	Threads uint8  `json:"threads"`
	// Hash is hexadecimal.
	Hash string `json:"hash"`
}

// Equal reports whether two hashes are of the same mailbox, in constant time.
// Hashes that were made with other secrets or parameters are not.
func (h MailboxHash) Equal(other MailboxHash) bool {
	same := subtle.ConstantTimeCompare([]byte(h.Hash), []byte(other.Hash)) == 1
	return same && h.Hash != "" && h.KeyID == other.KeyID && h.Time == other.Time && h.Memory == other.Memory &&
		h.Threads == other.Threads
}

// Mailboxes hashes addresses. The hash is slow, so that a stolen secret does not
// open addresses at once either, and repeatable, so that mailboxes can be counted.
// It is safe for concurrent use.
type Mailboxes struct {
	key, salt []byte
	keyID     string
	slots     chan struct{}
}

// Parameters of argon2id, and how many hashes are made at once: each takes Memory.
const (
	hashTime    = 2
	hashMemory  = 19 << 10
	hashThreads = 1
	hashSlots   = 2
)

// NewMailboxes returns a Mailboxes with keys derived from the server's secret. The error says that secret is the zero
// Secret.
func NewMailboxes(secret Secret) (*Mailboxes, error) {
	if secret.IsZero() {
		return nil, errors.New("auth: mailboxes need the server's secret: load it with LoadSecret")
	}
	key := secret.Key("mailbox hash: key")
	id := sha256.Sum256(append([]byte("key id "), key...))
	return &Mailboxes{
		key:   key,
		salt:  secret.Key("mailbox hash: salt"),
		keyID: hex.EncodeToString(id[:4]),
		slots: make(chan struct{}, hashSlots),
	}, nil
}

// CountingAddress returns the address by which a mailbox is counted: without the part that a plus sign begins, so that
// ann+1@example.com and ann+2@example.com are one mailbox. Mail goes to the whole address.
func CountingAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if plus := strings.IndexByte(address, '+'); plus > 0 && plus < at {
		return address[:plus] + address[at:]
	}
	return address
}

// Hash hashes an address: without white space around it, and without regard to
// case. It waits for its turn until ctx ends, which is its only error.
func (m *Mailboxes) Hash(ctx context.Context, address string) (MailboxHash, error) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return MailboxHash{}, context.Cause(ctx)
	}
	mac := hmac.New(sha256.New, m.key)
	mac.Write([]byte(strings.ToLower(strings.TrimSpace(address))))
	hash := argon2.IDKey(mac.Sum(nil), m.salt, hashTime, hashMemory, hashThreads, 32)
	return MailboxHash{
		KeyID:   m.keyID,
		Time:    hashTime,
		Memory:  hashMemory,
		Threads: hashThreads,
		Hash:    hex.EncodeToString(hash),
	}, nil
}
