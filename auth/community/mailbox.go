package community

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A mailboxHash is what the store keeps of an address. With the server's secret it shows whether another address is
// that of the same mailbox; without the secret it shows nothing.
type mailboxHash struct {
	// KeyID names the secret that the hash was made with.
	KeyID string `json:"key_id"`
	// Time, Memory (in KiB) and Threads are argon2id's parameters.
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"`
	Threads uint8  `json:"threads"`
	// Hash is hexadecimal.
	Hash string `json:"hash"`
}

// equal reports, in constant time, whether two hashes are of the same mailbox. Hashes that were made with different
// secrets or parameters are not equal, and neither are two zero hashes.
func (h mailboxHash) equal(other mailboxHash) bool {
	same := subtle.ConstantTimeCompare([]byte(h.Hash), []byte(other.Hash)) == 1
	return same && h.Hash != "" && h.KeyID == other.KeyID && h.Time == other.Time && h.Memory == other.Memory &&
		h.Threads == other.Threads
}

// A mailboxHasher hashes addresses. The hash is slow, so that a stolen secret does not reveal addresses at once, and
// repeatable, so that mailboxes can be compared and counted. It is safe for concurrent use.
type mailboxHasher struct {
	key, salt []byte
	keyID     string
	slots     chan struct{} // one for each hash in progress
}

// Parameters of argon2id. Each hash in progress uses hashMemory KiB, so at most hashSlots are computed at once.
const (
	hashTime    = 2
	hashMemory  = 19 << 10
	hashThreads = 1
	hashSlots   = 2
)

// newMailboxHasher returns a mailboxHasher with keys derived from secret, which must not be the zero Secret.
func newMailboxHasher(secret auth.Secret) *mailboxHasher {
	key := secret.Key("mailbox hash: key")
	id := sha256.Sum256(append([]byte("key id "), key...))
	return &mailboxHasher{
		key:   key,
		salt:  secret.Key("mailbox hash: salt"),
		keyID: hex.EncodeToString(id[:4]),
		slots: make(chan struct{}, hashSlots),
	}
}

// hash hashes an address without the white space around it and without regard to case. It waits for a slot. The only
// error is that of ctx.
func (m *mailboxHasher) hash(ctx context.Context, address string) (mailboxHash, error) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
		return mailboxHash{}, context.Cause(ctx)
	}
	mac := hmac.New(sha256.New, m.key)
	mac.Write([]byte(strings.ToLower(strings.TrimSpace(address))))
	hash := argon2.IDKey(mac.Sum(nil), m.salt, hashTime, hashMemory, hashThreads, 32)
	return mailboxHash{
		KeyID:   m.keyID,
		Time:    hashTime,
		Memory:  hashMemory,
		Threads: hashThreads,
		Hash:    hex.EncodeToString(hash),
	}, nil
}

// countingAddress returns the address by which the titles of a mailbox are counted: without the part that begins with a
// plus sign, so that ann+1@example.com and ann+2@example.com are one mailbox. Mail is sent to the whole address.
func countingAddress(address string) string {
	at := strings.LastIndexByte(address, '@')
	if plus := strings.IndexByte(address, '+'); plus > 0 && plus < at {
		return address[:plus] + address[at:]
	}
	return address
}

// A mailbox is what the service derives from an address.
type mailbox struct {
	hash mailboxHash // of the whole address
	// whole is the JSON of hash. It is kept with each title, so that the author can ask for another token.
	whole json.RawMessage
	// counting is the hash of the address without the part that begins with a plus sign, see countingAddress.
	counting string
	// countingJSON is the JSON of that hash. Titles that were created before accounts existed have it, or whole.
	countingJSON string
}

// mailbox hashes an address. The only error is that of ctx.
func (s *Service) mailbox(ctx context.Context, address string) (m mailbox, err error) {
	if m.hash, err = s.hasher.hash(ctx, address); err != nil {
		return m, err
	}
	counting := m.hash
	if short := countingAddress(address); short != address {
		if counting, err = s.hasher.hash(ctx, short); err != nil {
			return m, err
		}
	}
	if m.whole, err = json.Marshal(m.hash); err != nil {
		return m, err
	}
	text, err := json.Marshal(counting)
	m.counting, m.countingJSON = counting.Hash, string(text)
	return m, err
}

// account returns the account of a mailbox.
func (m mailbox) account() account {
	a := account{id: "mailbox/" + m.counting, owned: []catalog.Filter{{Mailbox: string(m.whole)}}}
	if m.countingJSON != string(m.whole) {
		a.owned = append(a.owned, catalog.Filter{Mailbox: m.countingJSON})
	}
	return a
}
