package dump

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/store"
)

// An Archive is a zip archive that is being written, such as a *zip.Writer.
type Archive interface {
	// Create adds a member. Its content is written before the next member is added.
	Create(name string) (io.Writer, error)
}

// Write adds the records of s to an archive. It does not close the archive.
//
// titles yields the records of the titles, each title after its earlier revisions. The catalog provides them,
// consistent even while titles change. If nil, Write lists them from s, whose titles must not change meanwhile.
//
// The error is that of titles, of the archive, of the store or of ctx. The archive is then incomplete and of no use.
func Write(ctx context.Context, a Archive, s store.Store, titles iter.Seq2[store.Record, error]) error {
	watched, err := hasRecords(ctx, s, watchKind)
	if err != nil {
		return err
	}
	stated := formatWithoutWatches
	if watched {
		stated = formatOfWatches
	}
	ofStore, err := store.ReadFormat(ctx, s)
	if err != nil {
		return err
	}
	if ofStore >= format {
		stated = format
	}
	if err := writeFormat(a, stated); err != nil {
		return err
	}
	if watched {
		// A watch remembers the versions that it has added. If it came after its title, it could remember one that the
		// title in the backup does not have, which would then count as removed by a person.
		if err := writeKind(a, watchKind, s.List(ctx, watchKind)); err != nil {
			return err
		}
	}
	if titles == nil {
		titles = listTitles(ctx, s)
	}
	if err := writeKind(a, titleKind, titles); err != nil {
		return err
	}
	for _, kind := range kinds {
		if kind == titleKind || kind == historyKind || kind == watchKind || kind == numberKind && stated < format {
			continue
		}
		if err := writeKind(a, kind, s.List(ctx, kind)); err != nil {
			return err
		}
	}
	return writeKind(a, configKind, listConfig(ctx, s))
}

// hasRecords reports whether a store has records of a kind.
func hasRecords(ctx context.Context, s store.Store, kind string) (bool, error) {
	for _, err := range s.List(ctx, kind) {
		return err == nil, err
	}
	return false, nil
}

// writeFormat writes the member that states the backup's format: the earliest that has all records, so that earlier
// versions load a backup without those that they do not know.
func writeFormat(a Archive, stated int) error {
	m, err := a.Create(formatName)
	if err != nil {
		return err
	}
	return json.NewEncoder(m).Encode(formatMember{stated})
}

// writeKind writes the member of a kind.
func writeKind(a Archive, kind string, records iter.Seq2[store.Record, error]) error {
	m, err := a.Create(folder + kind + extension)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(m)
	lines := jsontext.NewEncoder(out, lineOptions)
	for r, err := range records {
		if err != nil {
			return err
		}
		l := line{ID: r.Key.ID, Value: r.Value}
		if r.Key.Kind != kind {
			l.Kind = r.Key.Kind
		}
		if err := jsonv2.MarshalEncode(lines, l, lineOptions); err != nil {
			return err
		}
	}
	return out.Flush()
}

// listTitles yields all earlier revisions and then all titles.
func listTitles(ctx context.Context, s store.Store) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, kind := range []string{historyKind, titleKind} {
			for r, err := range s.List(ctx, kind) {
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

// listConfig yields the configuration records that are part of a backup.
func listConfig(ctx context.Context, s store.Store) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for _, id := range configIDs {
			r, err := s.Get(ctx, store.Key{Kind: configKind, ID: id})
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
