package httpapi

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/store"
)

// movedKinds are the kinds of records that move with a server.
var movedKinds = []string{"titles", "history", "tokens", "epochs", "contributors", "releasednames", "syncs", "webhooks"}

// moving is the record that says that a full backup is being loaded.
var moving = store.Key{Kind: "config", ID: "loading"}

var (
	// ErrNotEmpty is a store that has records already.
	ErrNotEmpty = errors.New("the store is not empty")
	// ErrHalfLoaded is a store into which a full backup was loaded only in part.
	ErrHalfLoaded = errors.New("a full backup was loaded only in part: load it again")
	// ErrNoFullBackup is an archive that is no full backup.
	ErrNoFullBackup = errors.New("it is no full backup, as /api/v1/backup?full=1 makes them")
)

// A moved is a record in a full backup.
type moved struct {
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}

// writeRecords writes what a full backup has beside the definitions: one member for
// each kind of records, one record a line.
func (a *api) writeRecords(ctx context.Context, z *archive.Writer) error {
	for _, kind := range movedKinds {
		m, err := z.Create(archive.FullFolder + "/" + kind + ".ndjson")
		if err != nil {
			return err
		}
		out := bufio.NewWriter(m)
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		for rec, err := range a.store.List(ctx, kind) {
			if err == nil {
				err = lines.Encode(moved{rec.Key.ID, rec.Value})
			}
			if err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// LoadFullBackup loads a full backup into an empty store, before anything else is
// opened over it: that is how a server is moved. One that was stopped half way is
// begun anew by loading it again; until then [CheckLoaded] refuses the store. It
// returns how many records were loaded.
//
// The error is [ErrNotEmpty], [ErrNoFullBackup], that of reading the backup, the
// store's or that of ctx.
func LoadFullBackup(ctx context.Context, s store.Store, backup io.ReaderAt, size int64) (records int, err error) {
	z, err := zip.NewReader(backup, size)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNoFullBackup, err)
	}
	members := map[string]*zip.File{}
	for _, f := range z.File {
		if kind, ok := strings.CutPrefix(f.Name, archive.FullFolder+"/"); ok {
			members[strings.TrimSuffix(kind, ".ndjson")] = f
		}
	}
	if members["titles"] == nil {
		return 0, ErrNoFullBackup
	}
	_, err = s.Get(ctx, moving)
	halfLoaded := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	for _, kind := range movedKinds {
		if err := emptyKind(ctx, s, kind, halfLoaded); err != nil {
			return 0, err
		}
	}
	if _, err := s.Put(ctx, moving, []byte("{}"), store.Condition{}); err != nil {
		return 0, err
	}
	for _, kind := range movedKinds {
		n, err := loadKind(ctx, s, kind, members[kind])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", kind, err)
		}
		records += n
	}
	return records, s.Delete(ctx, moving, store.Condition{})
}

// CheckLoaded returns [ErrHalfLoaded] if a full backup was loaded into a store only in
// part, or the store's error.
func CheckLoaded(ctx context.Context, s store.Store) error {
	_, err := s.Get(ctx, moving)
	switch {
	case err == nil:
		return ErrHalfLoaded
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// emptyKind removes the records of a kind if it may, and otherwise refuses them.
func emptyKind(ctx context.Context, s store.Store, kind string, may bool) error {
	var left []store.Key
	for rec, err := range s.List(ctx, kind) {
		if err != nil {
			return err
		}
		if !may {
			return fmt.Errorf("%w: it has %s", ErrNotEmpty, kind)
		}
		left = append(left, rec.Key)
	}
	for _, key := range left {
		if err := s.Delete(ctx, key, store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// maxMoved bounds a record in a full backup: a title with a definition, another that
// is staged, and what it has to tell.
const maxMoved = 64 << 20

func loadKind(ctx context.Context, s store.Store, kind string, f *zip.File) (n int, err error) {
	if f == nil {
		return 0, nil
	}
	r, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, tooLong, err := readLine(in, maxMoved)
		if err != nil && err != io.EOF {
			return n, err
		}
		if tooLong {
			return n, fmt.Errorf("line %d has more than %d bytes", n+1, maxMoved)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			var m moved
			if err := json.Unmarshal(line, &m); err != nil {
				return n, fmt.Errorf("line %d: %w", n+1, err)
			}
			if _, err := s.Put(ctx, store.Key{Kind: kind, ID: m.ID}, m.Value, store.IfAbsent()); err != nil {
				return n, fmt.Errorf("record %q: %w", m.ID, err)
			}
			n++
		}
		if err == io.EOF {
			return n, nil
		}
	}
}
