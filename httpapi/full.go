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
	"iter"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/store"
)

// fullFormat is the newest format of full backups that this version knows, and the one
// that it writes. It is in the member format.json; a backup without it has format 1, in
// which editions stood in a member of their own.
const fullFormat = 2

// A formatMember is the content of format.json.
type formatMember struct {
	Format int `json:"format"`
}

const (
	titleKind   = "titles"
	editionKind = "history"
	configKind  = "config"
)

// movedKinds are the kinds of records that move with a server.
var movedKinds = []string{
	titleKind,
	editionKind,
	"tokens",
	"epochs",
	"contributors",
	"releasednames",
	"syncs",
	"webhooks",
}

// movedConfig are the ids of the config records that move with a server.
var movedConfig = []string{"adopted-tokens"}

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
	// Kind is the record's kind if it is not that of the member.
	Kind  string          `json:"kind,omitempty"`
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}

// writeRecords writes what a full backup has beside the definitions: its format, and
// one member for each kind of records, one record a line. A title's line follows those
// of its earlier editions.
func (a *api) writeRecords(ctx context.Context, z *archive.Writer) error {
	m, err := z.Create(archive.FullFolder + "/format.json")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(m).Encode(formatMember{fullFormat}); err != nil {
		return err
	}
	for _, kind := range slices.Concat(movedKinds, []string{configKind}) {
		var records iter.Seq2[moved, error]
		switch kind {
		case titleKind:
			records = a.movedTitles(ctx)
		case editionKind:
			continue // with the titles
		case configKind:
			records = a.movedConfig(ctx)
		default:
			records = a.movedKind(ctx, kind)
		}
		if err := writeMember(z, kind, records); err != nil {
			return err
		}
	}
	return nil
}

// writeMember writes the records of a kind.
func writeMember(z *archive.Writer, kind string, records iter.Seq2[moved, error]) error {
	m, err := z.Create(archive.FullFolder + "/" + kind + ".ndjson")
	if err != nil {
		return err
	}
	out := bufio.NewWriter(m)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for rec, err := range records {
		if err == nil {
			err = lines.Encode(rec)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// movedTitles yields the titles, each behind its earlier editions, as one state.
func (a *api) movedTitles(ctx context.Context) iter.Seq2[moved, error] {
	return func(yield func(moved, error) bool) {
		for group, err := range a.cat.Records(ctx) {
			if err != nil {
				yield(moved{}, err)
				return
			}
			for _, e := range group.Revisions {
				if !yield(moved{Kind: e.Key.Kind, ID: e.Key.ID, Value: e.Value}, nil) {
					return
				}
			}
			if !yield(moved{ID: group.Title.Key.ID, Value: group.Title.Value}, nil) {
				return
			}
		}
	}
}

// movedConfig yields the config records that move with a server.
func (a *api) movedConfig(ctx context.Context) iter.Seq2[moved, error] {
	return func(yield func(moved, error) bool) {
		for _, id := range movedConfig {
			rec, err := a.store.Get(ctx, store.Key{Kind: configKind, ID: id})
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if !yield(moved{ID: id, Value: rec.Value}, err) {
				return
			}
		}
	}
}

// movedKind yields the records of a kind.
func (a *api) movedKind(ctx context.Context, kind string) iter.Seq2[moved, error] {
	return func(yield func(moved, error) bool) {
		for rec, err := range a.store.List(ctx, kind) {
			if !yield(moved{ID: rec.Key.ID, Value: rec.Value}, err) {
				return
			}
		}
	}
}

// LoadFullBackup loads a full backup into an empty store, before anything else is
// opened over it: that is how a server is moved. One that was stopped half way is
// begun anew by loading it again; until then [CheckLoaded] refuses the store. It
// returns how many records were loaded. They are loaded as they are: no rule that is
// newer than the backup is applied to them.
//
// The error is [ErrNotEmpty], [ErrNoFullBackup], [store.ErrFormat] (a newer version
// made the backup), that of reading the backup, the store's or that of ctx.
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
	if members[titleKind] == nil {
		return 0, ErrNoFullBackup
	}
	if err := checkFullFormat(members["format.json"]); err != nil {
		return 0, err
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
	for _, kind := range slices.Concat(movedKinds, []string{configKind}) {
		n, err := loadKind(ctx, s, kind, members[kind])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", kind, err)
		}
		records += n
	}
	return records, s.Delete(ctx, moving, store.Condition{})
}

// checkFullFormat checks the format of a full backup; f is nil if it has no member for
// it.
func checkFullFormat(f *zip.File) error {
	if f == nil {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoFullBackup, err)
	}
	defer r.Close()
	var m formatMember
	if err := json.NewDecoder(io.LimitReader(r, 1<<10)).Decode(&m); err != nil || m.Format < 1 {
		return fmt.Errorf("%w: its format.json has no format", ErrNoFullBackup)
	}
	if m.Format > fullFormat {
		return fmt.Errorf("%w: the backup has format %d, and this version knows formats up to %d: "+
			"load it with the version that made it, or a later one", store.ErrFormat, m.Format, fullFormat)
	}
	return nil
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
			if err := loadRecord(ctx, s, kind, m); err != nil {
				return n, fmt.Errorf("line %d: record %q: %w", n+1, m.ID, err)
			}
			n++
		}
		if err == io.EOF {
			return n, nil
		}
	}
}

// loadRecord writes a record of the member of a kind.
func loadRecord(ctx context.Context, s store.Store, kind string, m moved) error {
	cond := store.IfAbsent()
	switch {
	case m.Kind == "" || m.Kind == kind:
	case kind == titleKind && m.Kind == editionKind:
		kind = m.Kind
	default:
		return fmt.Errorf("a record of the kind %q is not expected among %s", m.Kind, kind)
	}
	if kind == configKind {
		if !slices.Contains(movedConfig, m.ID) {
			return errors.New("this config record does not move with a server")
		}
		cond = store.Condition{} // an attempt before may have written it
	}
	_, err := s.Put(ctx, store.Key{Kind: kind, ID: m.ID}, m.Value, cond)
	return err
}
