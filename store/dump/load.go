package dump

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/store"
)

// maxLineBytes bounds a record in a backup: a title with its definition, another one that is staged, and its pending
// events.
const maxLineBytes = 64 << 20

// Load loads a backup of size bytes into an empty store, before anything else opens that store, and returns the number
// of records loaded. If it is interrupted, [CheckLoaded] refuses the store until another Load into it succeeds,
// which begins again. Records are loaded unchanged: rules for titles that are newer than the backup are not applied.
//
// The error is [ErrNotEmpty], [ErrNoBackup], [store.ErrFormat] if a newer version made the backup, or that of reading
// the backup, of the store or of ctx. After one of the first three nothing has changed.
func Load(ctx context.Context, s store.Store, backup io.ReaderAt, size int64) (records int, err error) {
	members, err := readMembers(backup, size)
	if err != nil {
		return 0, err
	}
	if err := checkEmpty(ctx, s); err != nil {
		return 0, err
	}
	if _, err := s.Put(ctx, loadingKey, []byte("{}"), store.Condition{}); err != nil {
		return 0, err
	}
	for _, kind := range append(slices.Clone(kinds), configKind) {
		n, err := loadKind(ctx, s, kind, members[kind])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", kind, err)
		}
		records += n
	}
	return records, s.Delete(ctx, loadingKey, store.Condition{})
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
		var left []store.Key
		for r, err := range s.List(ctx, kind) {
			if err != nil {
				return err
			}
			if !interrupted {
				return fmt.Errorf("%w: it has %s", ErrNotEmpty, kind)
			}
			left = append(left, r.Key)
		}
		for _, key := range left {
			if err := s.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

// loadKind loads the member of a kind and returns the number of its records. f is nil if the backup has none.
func loadKind(ctx context.Context, s store.Store, kind string, f *zip.File) (records int, err error) {
	if f == nil {
		return 0, nil
	}
	r, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := loadLine(ctx, s, kind, lines.Bytes()); err != nil {
			return records, fmt.Errorf("line %d: %w", n, err)
		}
		records++
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return records, fmt.Errorf("line %d has more than %d bytes", n+1, maxLineBytes)
	}
	return records, lines.Err()
}

// loadLine loads a record of the member of a kind.
func loadLine(ctx context.Context, s store.Store, kind string, text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	key := store.Key{Kind: kind, ID: l.ID}
	switch {
	case l.Kind == "" || l.Kind == kind:
	case kind == titleKind && l.Kind == historyKind:
		key.Kind = historyKind
	default:
		return fmt.Errorf("record %q: a record of kind %q is not expected among %s", l.ID, l.Kind, kind)
	}
	cond := store.IfAbsent()
	if kind == configKind {
		if !slices.Contains(configIDs, l.ID) {
			return fmt.Errorf("record %q: this configuration is not part of a backup", l.ID)
		}
		cond = store.Condition{} // an interrupted load may have written it
	}
	if _, err := s.Put(ctx, key, l.Value, cond); err != nil {
		return fmt.Errorf("record %q: %w", l.ID, err)
	}
	return nil
}
