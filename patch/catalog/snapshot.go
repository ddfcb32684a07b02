package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// snapshotKind is the kind of the records of the snapshot.
const snapshotKind = "snapshots"

const (
	// snapshotFormat is the format of the records of the snapshot. Records of another format are ignored. It must be
	// raised when an entry is made from a title's record in another way. Numbers did not raise it: versions without
	// them cannot read the records that have them, so that they wrote no entry of such a record.
	snapshotFormat = 1
	// snapshotPause is the pause between two snapshots.
	snapshotPause = 5 * time.Minute
	// snapshotPace is how much longer a pause is than the writing of a record before it; see snapshot.write.
	snapshotPace = 4
	// snapshotTitles is about how many titles a record of the snapshot has.
	snapshotTitles = 1000
	// minSnapshot is the number of titles from which a snapshot is kept: fewer are read quickly.
	minSnapshot = 1000
)

// A snapshot keeps the entries of the titles in the store, so that a catalog can be opened without reading the records
// of all titles. It is worth no more than the time that it saves: each entry has the revision of the record that it was
// made from, and is used only if the title still has that revision. It may be missing, old or corrupt, and several
// servers may write it.
type snapshot struct {
	store store.Store
	log   *slog.Logger

	mu sync.Mutex
	// written are hashes of the contents of the records in the store, by id.
	written map[string]uint64
}

// A snapshotPart is a record of the snapshot.
type snapshotPart struct {
	Format int             `json:"format"`
	Titles []snapshotTitle `json:"titles"`
}

// A snapshotTitle is an entry in the snapshot.
type snapshotTitle struct {
	patch.Summary
	Revision    store.Revision `json:"revision"`
	UID         string         `json:"uid"`
	ETag        string         `json:"etag"` // without quotes
	Changed     time.Time      `json:"changed"`
	Author      string         `json:"author,omitempty"`
	Contributor string         `json:"contributor,omitempty"`
	Mailbox     string         `json:"mailbox,omitempty"`
	Follows     string         `json:"follows,omitempty"`
	Source      string         `json:"source,omitempty"`
	Held        int            `json:"held,omitempty"`
	Account     string         `json:"account,omitempty"`
	Bytes       int64          `json:"bytes"`

	Number           uint64   `json:"number,omitempty"`
	Blocks           []uint64 `json:"blocks,omitempty"`
	PatchCount       int      `json:"patchCount,omitempty"`
	RequirementCount int      `json:"requirementCount,omitempty"`
	AppName          string   `json:"appName,omitempty"`
	BundleID         string   `json:"bundleId,omitempty"`
}

func newSnapshotTitle(e *entry) snapshotTitle {
	return snapshotTitle{
		Summary:     e.Summary,
		Revision:    e.rev,
		UID:         e.UID,
		ETag:        strings.Trim(e.ETag, `"`),
		Changed:     e.Changed,
		Author:      e.Author,
		Contributor: e.Contributor,
		Mailbox:     e.Mailbox,
		Follows:     e.Follows,
		Source:      e.Source,
		Held:        e.Held,
		Account:     e.Account,
		Bytes:       e.Bytes,

		Number:           e.Number,
		Blocks:           e.blocks,
		PatchCount:       e.PatchCount,
		RequirementCount: e.RequirementCount,
		AppName:          e.AppName,
		BundleID:         e.BundleID,
	}
}

func (t *snapshotTitle) entry() *entry {
	e := newEntry(Title{
		Summary:     t.Summary,
		UID:         t.UID,
		ETag:        `"` + t.ETag + `"`,
		Changed:     t.Changed,
		Author:      t.Author,
		Contributor: t.Contributor,
		Mailbox:     t.Mailbox,
		Follows:     t.Follows,
		Source:      t.Source,
		Held:        t.Held,
		Account:     t.Account,
		Bytes:       t.Bytes,

		Number:           t.Number,
		PatchCount:       t.PatchCount,
		RequirementCount: t.RequirementCount,
		AppName:          t.AppName,
		BundleID:         t.BundleID,
	}, titleKey(t.ID), t.Revision)
	e.blocks = t.Blocks
	return e
}

// read returns the entries of the snapshot by the keys of their titles. A record that cannot be read is left out.
func (s *snapshot) read(ctx context.Context) map[string]*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = map[string]uint64{}
	var group errgroup.Group
	var mu sync.Mutex
	all := map[string]*entry{}
	for r, err := range s.store.List(ctx, snapshotKind) {
		if err != nil {
			s.log.Warn("the snapshot of the titles cannot be read, and all titles are read", "error", err)
			break
		}
		group.Go(func() error {
			entries, hash, err := decodeSnapshot(r.Value)
			mu.Lock()
			defer mu.Unlock()
			s.written[r.Key.ID] = hash
			if err != nil {
				s.log.Warn("a part of the snapshot of the titles cannot be read, and its titles are read",
					"record", r.Key.String(), "error", err)
				return nil
			}
			for _, e := range entries {
				all[e.key] = e
			}
			return nil
		})
	}
	_ = group.Wait() // it does not fail
	return all
}

// decodeSnapshot returns the entries in a record, and the hash of its content.
func decodeSnapshot(value []byte) (entries []*entry, hash uint64, err error) {
	var part snapshotPart
	if err := jsonv2.Unmarshal(value, &part); err != nil {
		return nil, 0, err
	}
	if part.Format != snapshotFormat {
		return nil, 0, fmt.Errorf("it has format %d, and this version knows %d", part.Format, snapshotFormat)
	}
	entries = make([]*entry, len(part.Titles))
	for i := range part.Titles {
		e := part.Titles[i].entry()
		if !patch.ValidID(e.ID) || e.UID == "" || e.rev == "" {
			return nil, 0, errors.New("it has a title without an id, UID or revision")
		}
		entries[i] = e
		hash += e.snapshotHash()
	}
	return entries, hash, nil
}

// snapshotHash returns a hash of the entry. The hash of a record's content is the sum of those of its entries.
func (e *entry) snapshotHash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(e.key)) // it does not fail
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(e.rev))
	return h.Sum64()
}

// keep writes the snapshot now and then until ctx ends, and once more at the end if last returns true.
func (s *snapshot) keep(ctx context.Context, index *currentIndex, last func() bool) {
	for {
		sleep(ctx, snapshotPause)
		if ctx.Err() != nil {
			break
		}
		s.write(ctx, index.get(), snapshotPace)
	}
	if last() {
		ctx, cancel := store.WriteContext(ctx)
		defer cancel()
		s.write(ctx, index.get(), 0)
	}
}

// write writes the snapshot of an index: those of its records that have changed. After each of them it pauses, pace
// times as long as it has written, so that changes need not wait for all of them.
func (s *snapshot) write(ctx context.Context, x *index, pace time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := s.divide(x)
	for id, part := range parts {
		hash := uint64(0)
		for _, e := range part {
			hash += e.snapshotHash()
		}
		if old, ok := s.written[id]; ok && old == hash {
			continue
		}
		begun := time.Now()
		if err := s.put(ctx, id, part); err != nil {
			if !errors.Is(ctx.Err(), context.Canceled) {
				s.log.Warn("the snapshot of the titles could not be written: the next start takes longer",
					"error", err)
			}
			return
		}
		s.written[id] = hash
		sleep(ctx, pace*time.Since(begun))
	}
	for id := range s.written {
		if _, ok := parts[id]; ok {
			continue
		}
		key := store.Key{Kind: snapshotKind, ID: id}
		if err := s.store.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.log.Warn("an old part of the snapshot of the titles could not be deleted", "error", err)
			return
		}
		delete(s.written, id)
	}
}

// divide divides the titles of an index into the records of a snapshot, by their ids. A title with work to do or with a
// draft is not in the snapshot, so that its record is read when the catalog is opened.
func (s *snapshot) divide(x *index) map[string][]*entry {
	parts := map[string][]*entry{}
	if x.size < minSnapshot {
		return parts
	}
	n := uint64(1)
	for int(n)*snapshotTitles < x.size {
		n *= 2
	}
	for e := range x.all() {
		if e.unsettled || e.Draft != (DraftState{}) {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(e.key)) // it does not fail
		id := fmt.Sprintf("%d-%d", n, h.Sum64()%n)
		parts[id] = append(parts[id], e)
	}
	return parts
}

// put writes a record of the snapshot.
func (s *snapshot) put(ctx context.Context, id string, entries []*entry) error {
	part := snapshotPart{Format: snapshotFormat, Titles: make([]snapshotTitle, len(entries))}
	for i, e := range entries {
		part.Titles[i] = newSnapshotTitle(e)
	}
	value, err := json.Marshal(part)
	if err != nil {
		return err
	}
	_, err = s.store.Put(ctx, store.Key{Kind: snapshotKind, ID: id}, value, store.Condition{})
	return err
}
