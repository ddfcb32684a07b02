// Package audit keeps an audit log: which changes were made, when, and with which token.
//
// Entries are collected for a second and then written together, so that a change costs no write of its own: a process
// that is killed loses those of its last second. The log has those of at least 90 days or the last 10,000 entries,
// whichever is less. Several servers over one store write to the same log, and each reads all of it.
package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
)

const (
	// kind is the kind of the records, and format that of their values.
	kind   = "audit"
	format = 1
	// Retention and MaxEntries bound what is kept: entries that are older, and the oldest ones of more, are removed.
	Retention  = 90 * 24 * time.Hour
	MaxEntries = 10_000

	// flushInterval is the time for which entries are collected. firstPrune is that before old ones are removed for the
	// first time, so that processes that do not run for long do so too, and pruneInterval that between two removals.
	flushInterval = time.Second
	firstPrune    = time.Minute
	pruneInterval = time.Hour
	// segmentEntries and segmentBytes are about how much a record has.
	segmentEntries = 200
	segmentBytes   = 64 << 10
	// maxBackwards is how far a clock may go backwards without a gap in the order of the entries.
	maxBackwards = time.Minute
	// maxPending bounds the entries that wait to be written.
	maxPending = MaxEntries
	// maxText bounds a text of an entry in bytes, and maxDetails the number of its details.
	maxText    = 500
	maxDetails = 20
)

// ErrNoEntry is returned for an entry that does not exist, or is no longer kept.
var ErrNoEntry = errors.New("the entry of the audit log does not exist, or is no longer kept")

// An Entry is a change.
type Entry struct {
	// ID identifies the entry. [Log.Record] sets it.
	ID string `json:"id"`
	// At is when the change was made.
	At time.Time `json:"at"`
	// Action says what was done, such as "title replaced".
	Action string `json:"action"`
	// Token is the id of the token that the change was made with, and TokenName its name then. Both are empty for a
	// caller without a token.
	Token     string `json:"token,omitempty"`
	TokenName string `json:"token_name,omitempty"`
	// Principal is the name of a caller that was authenticated by other means.
	Principal string `json:"principal,omitempty"`
	// Details say what was changed, such as the id of the title, by name.
	Details []Detail `json:"details,omitempty"`
}

// A Detail is a part of an [Entry].
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Options are options of [New]. A nil *Options is the zero value.
type Options struct {
	// Logger receives the errors of entries that cannot be written yet. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// A Log is an audit log. It is safe for concurrent use.
type Log struct {
	store store.Store
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex
	pending []Entry
	last    time.Time // of the entries
	dropped int       // entries for which there was no room

	flushing sync.Mutex // held while the log is written
	segment  store.Key  // that is written next; the zero Key: a new one
	entries  int        // in that segment
	bytes    int
	segments int // that this log has begun: their order
	trying   int // the number of entries whose write may have been carried out; 0: there are none
}

// New returns the audit log in a store. The caller calls [Log.Run], and [Log.Flush] at the end.
func New(s store.Store, opts *Options) *Log {
	var o Options
	if opts != nil {
		o = *opts
	}
	l := &Log{store: s, log: o.Logger, now: o.Now}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

// Record adds an entry, which is written within about a second. Long texts are cut. It does not wait for the store.
func (l *Log) Record(e Entry) {
	e.ID = rand.Text()
	if e.At.IsZero() {
		e.At = l.now()
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Action, e.TokenName, e.Principal = cut(e.Action), cut(e.TokenName), cut(e.Principal)
	e.Details = slices.Clone(e.Details[:min(len(e.Details), maxDetails)])
	for i := range e.Details {
		e.Details[i].Value = cut(e.Details[i].Value)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) >= maxPending {
		l.dropped++
		return
	}
	// The order of changes is that of their times, unless the clock was put back.
	if !e.At.After(l.last) && l.last.Sub(e.At) < maxBackwards {
		e.At = l.last.Add(time.Microsecond)
	}
	l.last = e.At
	l.pending = append(l.pending, e)
}

// Change records a change that a principal made. attrs are names and values in turn, as for [slog.Logger.Info]; values
// that are empty are left out. A nil Log records nothing.
func (l *Log) Change(p auth.Principal, action string, attrs ...any) {
	if l == nil {
		return
	}
	e := Entry{Action: action, Token: p.TokenID}
	if p.TokenID == "" {
		e.Principal = p.Name
	} else {
		e.TokenName = p.Name
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		if value := fmt.Sprint(attrs[i+1]); value != "" {
			e.Details = append(e.Details, Detail{Name: fmt.Sprint(attrs[i]), Value: value})
		}
	}
	l.Record(e)
}

// cut returns the beginning of a text that is too long, as UTF-8.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// Run writes entries until ctx ends, and removes old ones. It returns nil then.
func (l *Log) Run(ctx context.Context) error {
	write, prune := time.NewTicker(flushInterval), time.NewTicker(firstPrune)
	defer write.Stop()
	defer prune.Stop()
	failing := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-write.C:
			err = l.Flush(ctx)
			if err != nil && !failing && ctx.Err() == nil {
				l.log.Warn("the audit log cannot be written: its entries are kept and tried again", "error", err)
			}
			failing = err != nil
		case <-prune.C:
			prune.Reset(pruneInterval)
			if err = l.prune(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("old entries of the audit log cannot be removed", "error", err)
			}
		}
	}
}

// Flush writes the entries that wait. The error is that of the store or of ctx; the entries still wait then.
func (l *Log) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	for {
		batch := l.batch()
		if len(batch) == 0 {
			return nil
		}
		l.trying = len(batch)
		if err := l.append(ctx, batch); err != nil {
			return err
		}
		l.trying = 0
		l.mu.Lock()
		l.pending = l.pending[len(batch):]
		l.mu.Unlock()
	}
}

// batch returns the first entries that wait, at most those of a segment. After a failure it returns the same ones,
// which go into the same segment, so that none is written twice. The caller must hold flushing.
func (l *Log) batch() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped > 0 && len(l.pending) < maxPending {
		l.log.Error("entries of the audit log were lost because the store could not be written", "entries", l.dropped)
		l.dropped = 0
	}
	n := min(len(l.pending), segmentEntries)
	if l.trying > 0 {
		n = l.trying
	}
	return slices.Clone(l.pending[:n])
}

// A segment is the value of a record: some entries, the oldest first.
type segment struct {
	Format  int     `json:"format"`
	Entries []Entry `json:"entries"`
}

// append writes entries to the segment of this log, or to a new one if that is full or can no longer be read.
func (l *Log) append(ctx context.Context, batch []Entry) error {
	full := l.entries > 0 && (l.entries+len(batch) > segmentEntries || l.bytes > segmentBytes)
	if l.segment == (store.Key{}) || full {
		l.begin(batch[0].At)
	}
	err := l.add(ctx, batch)
	if errors.Is(err, store.ErrCorrupt) {
		l.log.Error("a part of the audit log can no longer be read; later entries go into another one", "error", err)
		l.begin(batch[0].At)
		err = l.add(ctx, batch)
	}
	return err
}

// begin begins a segment with an entry of a time.
func (l *Log) begin(at time.Time) {
	l.segments++
	id := fmt.Sprintf("%s-%06d-%s", at.Format("20060102T150405.000Z"), l.segments, rand.Text())
	l.segment, l.entries, l.bytes = store.Key{Kind: kind, ID: id}, 0, 0
}

// add writes entries to the segment of this log. One that was written already, by a write of unknown outcome, is not
// written again.
func (l *Log) add(ctx context.Context, batch []Entry) error {
	entries := 0
	written, err := store.Update(ctx, l.store, l.segment, func(old store.Record) ([]byte, error) {
		var s segment
		if old.Revision != "" {
			var err error
			if s, err = parse(old); err != nil {
				return nil, err
			}
		}
		known := make(map[string]bool, len(s.Entries))
		for _, e := range s.Entries {
			known[e.ID] = true
		}
		for _, e := range batch {
			if !known[e.ID] {
				s.Entries = append(s.Entries, e)
			}
		}
		s.Format = format
		entries = len(s.Entries)
		return json.Marshal(s)
	})
	if err != nil {
		return err
	}
	l.entries, l.bytes = entries, len(written.Value)
	return nil
}

// parse returns the segment in a record. The error is store.ErrFormat if a newer version wrote it, and store.ErrCorrupt
// if it cannot be read.
func parse(r store.Record) (segment, error) {
	var s segment
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return s, fmt.Errorf("audit: record %v: %w: %w", r.Key, store.ErrCorrupt, err)
	}
	if s.Format > format {
		return s, store.NewerFormat(r.Key, s.Format, format)
	}
	return s, nil
}

// A storedSegment is a segment with the key and the revision of its record.
type storedSegment struct {
	segment
	key      store.Key
	revision store.Revision
}

// last returns the time of the segment's last entry.
func (s storedSegment) last() (at time.Time) {
	if n := len(s.Entries); n > 0 {
		at = s.Entries[n-1].At
	}
	return at
}

// list returns all segments, the oldest first. One that cannot be read is logged and left out.
func (l *Log) list(ctx context.Context) (all []storedSegment, err error) {
	skip := func(_ store.Key, err error) { l.log.Warn("a part of the audit log cannot be read", "error", err) }
	for r, err := range store.ListReadable(ctx, l.store, kind, skip) {
		if err != nil {
			return nil, err
		}
		s, err := parse(r)
		if errors.Is(err, store.ErrCorrupt) {
			skip(r.Key, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, storedSegment{s, r.Key, r.Revision})
	}
	return all, nil
}

// Entries returns the newest entries that selects accepts, the newest first, after those up to and including the one
// with the id after, which may be empty; and whether there are more. If selects is nil, all are accepted. The error is
// ErrNoEntry if there is no entry with the id after, store.ErrFormat if a newer version wrote the log, that of the
// store, or that of ctx.
func (l *Log) Entries(ctx context.Context, after string, limit int, selects func(Entry) bool) (
	found []Entry, more bool, err error,
) {
	flushErr := l.Flush(ctx) // its entries are found below if it fails
	all, err := l.all(ctx)
	if err != nil {
		return nil, false, errors.Join(flushErr, err)
	}
	started := after == ""
	for _, e := range all {
		switch {
		case !started:
			started = e.ID == after
		case selects != nil && !selects(e):
		case len(found) == limit:
			return found, true, nil
		default:
			found = append(found, e)
		}
	}
	if !started {
		return nil, false, fmt.Errorf("%w: %q", ErrNoEntry, after)
	}
	return found, false, nil
}

// all returns all entries, the newest first.
func (l *Log) all(ctx context.Context) ([]Entry, error) {
	l.mu.Lock()
	all := slices.Clone(l.pending) // before the store is read, so that none is missed that is written meanwhile
	l.mu.Unlock()
	segments, err := l.list(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(all))
	for _, e := range all {
		known[e.ID] = true
	}
	for _, s := range segments {
		for _, e := range s.Entries {
			if !known[e.ID] {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID)) })
	return all, nil
}

// prune removes the segments whose entries are all too old, and the oldest ones beyond MaxEntries. Several servers may
// do so at once. A segment to which its server adds an entry meanwhile stays.
func (l *Log) prune(ctx context.Context) error {
	segments, err := l.list(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(segments, func(a, b storedSegment) int { return b.last().Compare(a.last()) })
	oldest, total := l.now().Add(-Retention), 0
	for _, s := range segments {
		keep := total < MaxEntries && s.last().After(oldest)
		total += len(s.Entries)
		if keep {
			continue
		}
		err := l.store.Delete(ctx, s.key, store.IfRevision(s.revision))
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}
