package dump

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxLineBytes bounds a record in a backup: a title with its definition, another one that is staged, and its
	// pending events.
	maxLineBytes = 64 << 20
	// maxDeletions is the maximum number of records that are deleted concurrently. A store that syncs each change can
	// combine them.
	maxDeletions = 32
)

// LoadOptions are options of [Load]. Nil means the zero value.
type LoadOptions struct {
	// Progress, if not nil, is called again and again with the number of records that were read and are being loaded.
	// Calls do not overlap.
	Progress func(records int)
}

// Load loads a backup of size bytes into an empty store, before anything else opens that store, and returns the number
// of records loaded. If it is interrupted, [CheckLoaded] refuses the store until another Load into it succeeds,
// which begins again. Records are loaded unchanged: rules for titles that are newer than the backup are not applied.
// They are written as [store.Load] writes them.
//
// The error is [ErrNotEmpty], [ErrNoBackup], [store.ErrFormat] if a newer version made the backup, or that of reading
// the backup, of the store or of ctx. After one of the first three nothing has changed.
func Load(
	ctx context.Context, s store.Store, backup io.ReaderAt, size int64, opts *LoadOptions,
) (records int, err error) {
	members, err := readMembers(backup, size)
	if err != nil {
		return 0, err
	}
	if err := checkEmpty(ctx, s); err != nil {
		return 0, err
	}
	if err := raiseFormat(ctx, s, members); err != nil {
		return 0, err
	}
	if _, err := s.Put(ctx, loadingKey, []byte("{}"), store.Condition{}); err != nil {
		return 0, err
	}
	l := loader{store: s}
	if opts != nil {
		l.opts = *opts
	}
	for _, kind := range append(slices.Clone(kinds), configKind) {
		if err := l.loadKind(ctx, kind, members[kind]); err != nil {
			return 0, fmt.Errorf("%s: %w", kind, err)
		}
	}
	return l.read, s.Delete(ctx, loadingKey, store.Condition{})
}

// raiseFormat keeps earlier versions from opening a store with records of a backup that they do not know. From format 4
// on, stores have the formats of backups.
func raiseFormat(ctx context.Context, s store.Store, members map[string]*zip.File) error {
	switch {
	case members[numberKind] != nil:
		return store.RaiseFormat(ctx, s, format)
	case members[watchKind] != nil:
		return store.RaiseFormat(ctx, s, formatOfWatches)
	}
	return nil
}

// A loader loads the records of a backup.
type loader struct {
	store store.Store
	opts  LoadOptions
	read  int // records
}

// readMembers returns the members of a backup by the kinds of their records. The error is ErrNoBackup or
// store.ErrFormat.
func readMembers(backup io.ReaderAt, size int64) (map[string]*zip.File, error) {
	z, err := zip.NewReader(backup, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	members := map[string]*zip.File{}
	for _, f := range z.File {
		if f.Name == formatName {
			if err := checkFormat(f); err != nil {
				return nil, err
			}
		}
		name, inFolder := strings.CutPrefix(f.Name, folder)
		kind, ofKind := strings.CutSuffix(name, extension)
		if inFolder && ofKind {
			members[kind] = f
		}
	}
	if members[titleKind] == nil {
		return nil, ErrNoBackup
	}
	return members, nil
}

// checkFormat checks the format that format.json states.
func checkFormat(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	defer r.Close()
	var m formatMember
	if err := json.NewDecoder(io.LimitReader(r, 1<<10)).Decode(&m); err != nil || m.Format < 1 {
		return fmt.Errorf("%w: its format.json states no format", ErrNoBackup)
	}
	if m.Format > format {
		return fmt.Errorf("%w: the backup has format %d, and this version knows formats up to %d: "+
			"load it with the version that made it, or a later one", store.ErrFormat, m.Format, format)
	}
	return nil
}

// checkEmpty returns ErrNotEmpty if the store has records, unless they are those of a load that was interrupted, which
// it deletes.
func checkEmpty(ctx context.Context, s store.Store) error {
	interrupted, err := isLoading(ctx, s)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := clearKind(ctx, s, kind, interrupted); err != nil {
			return err
		}
	}
	return nil
}

// clearKind deletes the records of a kind if they are those of a load that was interrupted. Otherwise it returns
// ErrNotEmpty if there are any.
func clearKind(ctx context.Context, s store.Store, kind string, interrupted bool) error {
	var left []store.Key
	for r, err := range store.Revisions(ctx, s, kind) {
		if err != nil {
			return err
		}
		if !interrupted {
			return fmt.Errorf("%w: it has %s", ErrNotEmpty, kind)
		}
		left = append(left, r.Key)
	}
	deletions, working := errgroup.WithContext(ctx)
	deletions.SetLimit(maxDeletions)
	for _, key := range left {
		if working.Err() != nil {
			break
		}
		deletions.Go(func() error {
			err := s.Delete(working, key, store.Condition{})
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	return cmp.Or(deletions.Wait(), context.Cause(ctx))
}

// loadKind loads the member of a kind. f is nil if the backup has none.
func (l *loader) loadKind(ctx context.Context, kind string, f *zip.File) error {
	if f == nil {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	records := l.records(kind, r)
	if kind != configKind {
		return store.Load(ctx, l.store, records)
	}
	for r, err := range records {
		if err == nil {
			_, err = l.store.Put(ctx, r.Key, r.Value, store.Condition{}) // an interrupted load may have written it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// records yields the records of the member of a kind.
func (l *loader) records(kind string, member io.Reader) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		lines := bufio.NewScanner(member)
		lines.Buffer(nil, maxLineBytes)
		n := 0
		for lines.Scan() {
			n++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			r, err := parseLine(kind, lines.Bytes())
			if err != nil {
				yield(store.Record{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(r, nil) {
				return
			}
			l.read++
			if l.opts.Progress != nil {
				l.opts.Progress(l.read)
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("line %d has more than %d bytes", n+1, maxLineBytes)
		}
		if err != nil {
			yield(store.Record{}, err)
		}
	}
}

// parseLine returns the record of a line of the member of a kind.
func parseLine(kind string, text []byte) (store.Record, error) {
	var r line
	if err := jsonv2.Unmarshal(text, &r, lineOptions); err != nil {
		return store.Record{}, err
	}
	key := store.Key{Kind: kind, ID: r.ID}
	switch {
	case r.Kind == "" || r.Kind == kind:
	case kind == titleKind && r.Kind == historyKind:
		key.Kind = historyKind
	default:
		return store.Record{}, fmt.Errorf("record %q: a record of kind %q is not expected among %s", r.ID, r.Kind, kind)
	}
	if kind == configKind && !slices.Contains(configIDs, r.ID) {
		return store.Record{}, fmt.Errorf("record %q: this configuration is not part of a backup", r.ID)
	}
	if err := key.Check(); err != nil {
		return store.Record{}, fmt.Errorf("record %q: %w", r.ID, err)
	}
	return store.Record{Key: key, Value: r.Value}, nil
}
