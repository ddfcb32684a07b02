// Package certstore keeps the certificates that a server obtains by ACME, and the key of its account, in a store, so
// that they survive a restart and servers over one store share them.
//
// The values have private keys. They are encrypted with a key that is derived from the server's secret.
package certstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/crypto/acme/autocert"

	"github.com/patchsource/patchsource/store"
)

const (
	// Kind is the kind of the records. Nothing watches them.
	Kind   = "certificates"
	format = 1 // of the records that this version writes
)

// A record is a value in the store.
type record struct {
	Format int    `json:"format"`
	Sealed []byte `json:"sealed"`
}

// A Cache is an autocert.Cache in a store. It is safe for concurrent use.
type Cache struct {
	store store.Store
	aead  cipher.AEAD
	log   *slog.Logger
	once  sync.Once // logs a value that cannot be decrypted
}

// New returns a cache in a store. It encrypts the values with a key of 16, 24 or 32 bytes, which servers over one store
// must share.
func New(s store.Store, key []byte, log *slog.Logger) (*Cache, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the key for the certificates is invalid: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("the key for the certificates is invalid: %w", err)
	}
	return &Cache{store: s, aead: aead, log: log}, nil
}

// recordKey returns the key of the record of a value. Its id is a hash, because names have characters and lengths that
// ids may not have.
func recordKey(name string) store.Key {
	hash := sha256.Sum256([]byte(name))
	return store.Key{Kind: Kind, ID: hex.EncodeToString(hash[:])}
}

// Get implements autocert.Cache. The error is autocert.ErrCacheMiss if there is no value, and also if it is damaged or
// was encrypted with another key, so that a new one takes its place. It is store.ErrFormat if a newer version wrote it.
func (c *Cache) Get(ctx context.Context, name string) ([]byte, error) {
	key := recordKey(name)
	rec, err := c.store.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, autocert.ErrCacheMiss
	case errors.Is(err, store.ErrCorrupt):
		return nil, c.miss(err)
	case err != nil:
		return nil, err
	}
	var r record
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return nil, c.miss(err)
	}
	if r.Format != format {
		return nil, store.NewerFormat(key, r.Format, format)
	}
	value, err := c.aead.Open(nil, nil, r.Sealed, []byte(name))
	if err != nil {
		return nil, c.miss(errors.New("the server has another secret than when it was encrypted"))
	}
	return value, nil
}

// miss returns autocert.ErrCacheMiss. It logs the reason the first time.
func (c *Cache) miss(reason error) error {
	c.once.Do(func() {
		c.log.Warn("a stored certificate or the key of the ACME account cannot be read: a new one takes its place",
			"reason", reason)
	})
	return autocert.ErrCacheMiss
}

// Put implements autocert.Cache. Of several servers that write a value, the last one wins.
func (c *Cache) Put(ctx context.Context, name string, value []byte) error {
	data, err := json.Marshal(record{Format: format, Sealed: c.aead.Seal(nil, nil, value, []byte(name))})
	if err != nil {
		return err
	}
	_, err = c.store.Put(ctx, recordKey(name), data, store.Condition{})
	return err
}

// Delete implements autocert.Cache.
func (c *Cache) Delete(ctx context.Context, name string) error {
	err := c.store.Delete(ctx, recordKey(name), store.Condition{})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
