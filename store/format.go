package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Format is the newest format of records that this version reads and writes. Stores without a format marker have
// format 1.
//
// With format 3, titles have their recent history as differences, and a directory of package filestore has a journal,
// whose changes earlier versions do not see. With format 4, there are records of the kind "watches", which earlier
// versions leave out of full backups and copies. With format 5, titles may have drafts, and numbers for their parts,
// and there is a record of the kind "numbers".
const Format = 5

// firstFormat is the format that a store has at least once this version has opened it. Later ones are for records that
// few stores have: see [RaiseFormat].
const firstFormat = 3

// ErrFormat reports that a store may have records that this version does not understand.
var ErrFormat = errors.New("the store was written by a newer version")

// errMarker reports a format marker without a meaning.
var errMarker = errors.New("the format marker is unreadable")

// formatKey is the key of the format marker.
var formatKey = Key{Kind: "config", ID: "format"}

// A formatMarker is the value of the format marker.
type formatMarker struct {
	Format int `json:"format"`
}

// CheckFormat returns an error if this version may not understand all records of s, and raises the store's format
// marker if it is older than every record that this version writes, or absent. Call it before anything else reads the
// store. Several servers may call it at once. If the marker is current, it costs one Get.
//
// The error is [ErrFormat] if the marker is newer. If the marker cannot be read, it is another error, and the marker is
// not changed.
func CheckFormat(ctx context.Context, s Store) error { return RaiseFormat(ctx, s, firstFormat) }

// RaiseFormat is CheckFormat, and raises the marker to a format of at most [Format] if it is older. Call it before the
// first record of a format is written that earlier versions do not know. Until then, servers of an earlier version can
// share the store; from then on, they change nothing.
func RaiseFormat(ctx context.Context, s Store, format int) error {
	_, err := Update(ctx, s, formatKey, func(old Record) ([]byte, error) {
		current, err := parseFormat(old)
		if err != nil || current >= format {
			return nil, err
		}
		return json.Marshal(formatMarker{format})
	})
	return err
}

// parseFormat returns the format that a format marker states. It is 1 if there is no marker, that is, if the revision
// of the record is empty. The error is ErrFormat if the format is newer than Format.
func parseFormat(r Record) (int, error) {
	if r.Revision == "" {
		return 1, nil
	}
	var m formatMarker
	if err := json.Unmarshal(r.Value, &m); err != nil || m.Format < 1 {
		return 0, fmt.Errorf("store: record %v: %w: it is %.100q, want {\"format\":%d} or another number: "+
			"restore a backup, or start the version that wrote it", formatKey, errMarker, r.Value, Format)
	}
	if m.Format > Format {
		return 0, fmt.Errorf("store: %w: its records have format %d, and this version understands formats up to %d: "+
			"start the newer version, or restore a backup made before", ErrFormat, m.Format, Format)
	}
	return m.Format, nil
}

// ReadFormat returns the format that the format marker of s states, 1 if it has none. The errors are those of
// [CheckFormat].
func ReadFormat(ctx context.Context, s Store) (int, error) {
	r, err := s.Get(ctx, formatKey)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	return parseFormat(r)
}

// NewerFormat returns an [ErrFormat] that names a record in a format that this version does not know, and the newest
// format of such records that it knows.
func NewerFormat(key Key, format, known int) error {
	return fmt.Errorf("%w: record %v has format %d, and this version knows formats up to %d: start the newer version, "+
		"or restore a backup that was made before", ErrFormat, key, format, known)
}
