package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

const (
	defaultCacheBytes      = 256 << 20
	defaultHistory         = 20
	defaultHistoryBytes    = 32 << 20
	defaultMaxAccountBytes = 256 << 20
	defaultLease           = 30 * time.Second
)

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Logger logs records that cannot be read, and failures of background work. If nil, nothing is logged.
	Logger *slog.Logger
	// Now returns the time. If nil, it is time.Now.
	Now func() time.Time
	// CacheBytes bounds the memory for definitions and lists. The default is 256 MiB. A negative number means no limit.
	CacheBytes int64
	// MaxDefinitionBytes bounds the JSON of a definition, also of one that grows by a version. The default is
	// patch.DefaultMaxBytes, 10 MiB. A negative number means no limit.
	MaxDefinitionBytes int
	// History is the number of earlier revisions that are kept of each definition. Some more may stay in the store. The
	// default is 20. If negative, none are kept.
	History int
	// HistoryBytes bounds the bytes that a title's earlier revisions take, most of which are kept as differences. The
	// newest of them is kept whatever its size, with those in the same record. The default is 32 MiB. A negative number
	// means no limit.
	HistoryBytes int64
	// MaxAccountBytes bounds the bytes of all titles of one account; see CreateOptions.Account and [ErrTooMuch]. It is
	// approximate: concurrent changes may exceed it together. The default is 256 MiB. A negative number means no limit.
	MaxAccountBytes int64
	// Couriers receive notices of every change. If several servers share the store, all of them must have the same
	// couriers, and those of one server receive the notices of all; see [Courier].
	Couriers []Courier
	// Lease is the time after which another server that shares the store takes the work over from one that has died:
	// it delivers the notices, and finishes or undoes a restore. The default is 30 s. It must be the same in all
	// servers.
	Lease time.Duration
	// Lint are the options for the lint of every definition that is written; its Now is ignored. Warnings are
	// returned with the result of the write; those that the options make errors reject the write with
	// patch.ErrInvalid. If nil, all rules only warn.
	Lint *patch.LintOptions
}

// complete returns the options with their defaults, for a store. The error says that a required part is nil.
func (o *Options) complete(s store.Store) (Options, error) {
	var all Options
	if o != nil {
		all = *o
	}
	if s == nil {
		return all, errors.New("catalog: the store is nil")
	}
	if slices.Contains(all.Couriers, nil) {
		return all, errors.New("catalog: a courier is nil")
	}
	if all.Lease < 0 {
		return all, fmt.Errorf("catalog: the lease of %v is negative", all.Lease)
	}
	all.Lease = cmp.Or(all.Lease, defaultLease)
	if all.Logger == nil {
		all.Logger = slog.New(slog.DiscardHandler)
	}
	if all.Now == nil {
		all.Now = time.Now
	}
	if all.Lint == nil {
		all.Lint = &patch.LintOptions{}
	}
	if all.History == 0 {
		all.History = defaultHistory
	}
	all.History = max(all.History, 0)
	setDefault(&all.CacheBytes, defaultCacheBytes, math.MaxInt64)
	setDefault(&all.MaxDefinitionBytes, patch.DefaultMaxBytes, math.MaxInt)
	setDefault(&all.HistoryBytes, defaultHistoryBytes, math.MaxInt64)
	setDefault(&all.MaxAccountBytes, defaultMaxAccountBytes, math.MaxInt64)
	return all, nil
}

// setDefault sets a limit to its default if it is 0, and to the largest number if it is negative.
func setDefault[T int | int64](limit *T, def, largest T) {
	switch {
	case *limit == 0:
		*limit = def
	case *limit < 0:
		*limit = largest
	}
}
