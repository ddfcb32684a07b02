package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// minLease and maxLease bound the parameter lease. A leader that gets no answer from the store steps down before its
// lease expires.
const (
	minLease = 10 * time.Second
	maxLease = 10 * time.Minute
)

// storeForms describes the values of --store for errors.
const storeForms = "it must be file: and a folder, such as file:./data, memory: to keep nothing, " +
	"postgres://user@host/database, or s3://bucket/prefix"

// A connectedStore is a store together with the connections that it uses.
type connectedStore struct {
	store.Store
	close func() error
}

// Unwrap returns the store.
func (s connectedStore) Unwrap() store.Store { return s.Store }

// Close closes the store and its connections.
func (s connectedStore) Close() error { return s.close() }

// storeScheme returns the scheme of a store that several servers can share, such as "s3", or the empty string for
// others.
func storeScheme(name string) string {
	switch scheme, _, _ := strings.Cut(name, ":"); scheme {
	case "postgres", "postgresql":
		return "postgres"
	case "s3":
		return "s3"
	}
	return ""
}

// checkSharedStore returns an error if the value of a flag does not name a store that several servers can share.
func (f *flags) checkSharedStore(name string) (err error) {
	switch storeScheme(name) {
	case "postgres":
		_, err = parsePostgres(name, f.StorePasswordFile)
	case "s3":
		_, err = parseS3(name)
	default:
		err = errors.New(storeForms)
	}
	return err
}

// lease returns the lease of the servers over the store of --store, or 0 if the URL has no lease parameter.
func (f *flags) lease() (time.Duration, error) {
	if storeScheme(f.Store) == "" {
		return 0, nil
	}
	_, query, err := parseStoreURL(f.Store)
	if err != nil {
		return 0, err
	}
	return parseLease(query)
}

// parseLease parses the parameter lease. It returns 0 if there is none.
func parseLease(query url.Values) (time.Duration, error) {
	if !query.Has("lease") {
		return 0, nil
	}
	d, err := time.ParseDuration(query.Get("lease"))
	if err != nil || d < minLease || d > maxLease {
		return 0, fmt.Errorf("lease=%s: it must be a duration from %v to %v, such as 30s, and the same at all servers",
			query.Get("lease"), minLease, maxLease)
	}
	return d, nil
}

// openStore opens the store that a flag names.
func (f *flags) openStore(ctx context.Context, name string, log *slog.Logger) (store.Store, error) {
	switch storeScheme(name) {
	case "postgres":
		return openPostgres(ctx, name, f.StorePasswordFile, log)
	case "s3":
		return openS3(ctx, name, log)
	}
	scheme, dir, _ := strings.Cut(name, ":")
	if scheme == "file" {
		return filestore.Open(dir, &filestore.Options{Logger: log})
	}
	log.Warn("titles are kept in memory only and are lost when the server stops")
	return struct{ store.Store }{memstore.New()}, nil // without its Watcher: no other server uses it
}

// closeStore closes a store that can be closed.
func closeStore(s store.Store) error {
	if c, ok := store.As[io.Closer](s); ok {
		return c.Close()
	}
	return nil
}

// parseStoreURL parses the URL of a store. The error does not quote it, because it may contain a password.
func parseStoreURL(name string) (*url.URL, url.Values, error) {
	u, err := url.Parse(name)
	if err != nil || !strings.HasPrefix(name, u.Scheme+"://") || u.Fragment != "" {
		return nil, nil, errors.New("it is not a valid URL: write special characters such as # and @ in names and " +
			"passwords as %23 and %40")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, nil, errors.New("the parameters after the question mark are not valid")
	}
	for param, values := range query {
		if len(values) > 1 {
			return nil, nil, fmt.Errorf("the parameter %s is given twice", param)
		}
	}
	return u, query, nil
}

// parseSwitch parses the value of a parameter that is on or off.
func parseSwitch(param, value string) (bool, error) {
	switch value {
	case "on", "1", "true":
		return true, nil
	case "off", "0", "false":
		return false, nil
	}
	return false, fmt.Errorf("%s=%s: it must be on or off", param, value)
}
