package admin

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
)

// A contents says what is in a backup.
type contents struct {
	titles  int
	full    bool
	records int // of a full backup
}

// String describes the contents.
func (c contents) String() string {
	if c.full {
		return fmt.Sprintf("%s, %s", count(c.titles, "title"), count(c.records, "record"))
	}
	return count(c.titles, "title")
}

// checkBackup reads a whole backup and returns an error if it cannot be restored: if it is not a zip archive, if a
// checksum is wrong, if a definition is not valid, or if the records of a full backup cannot be loaded.
func checkBackup(ctx context.Context, backup io.ReaderAt, size int64, line *progressLine) (c contents, err error) {
	if c.full, err = isFull(backup, size); err != nil {
		return c, err
	}
	var opts *archive.ReadOptions // those of a server that restores it
	if c.full {
		opts = &archive.ReadOptions{MaxMembers: -1, MaxTotalBytes: -1}
	}
	for _, err := range archive.Read(backup, size, opts) {
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if err != nil {
			return c, err
		}
		c.titles++
		line.show("checking the backup: %s", count(c.titles, "title"))
	}
	if !c.full {
		return c, nil
	}
	c.records, err = dump.Load(ctx, nowhere{}, backup, size, &dump.LoadOptions{
		Progress: func(records int) { line.show("checking the backup: %s", count(records, "record")) },
	})
	return c, err
}

// isFull reports whether a backup is a full one.
func isFull(backup io.ReaderAt, size int64) (bool, error) {
	z, err := zip.NewReader(backup, size)
	if errors.Is(err, zip.ErrInsecurePath) {
		err = nil // package archive refuses such names, and says which
	}
	if err != nil {
		return false, fmt.Errorf("it is not a backup, or only a part of one: %w", err)
	}
	return slices.ContainsFunc(z.File, func(f *zip.File) bool {
		return f.Name == "patchsource/format.json" || f.Name == "patchsource/titles.ndjson"
	}), nil
}

// nowhere is an empty store that forgets what is written to it. A backup that can be loaded into it is complete.
type nowhere struct{}

// Get implements store.Store.
func (nowhere) Get(context.Context, store.Key) (store.Record, error) {
	return store.Record{}, store.ErrNotFound
}

// Put implements store.Store.
func (nowhere) Put(ctx context.Context, _ store.Key, _ []byte, _ store.Condition) (store.Revision, error) {
	return "1", ctx.Err()
}

// Delete implements store.Store.
func (nowhere) Delete(context.Context, store.Key, store.Condition) error { return nil }

// List implements store.Store.
func (nowhere) List(context.Context, string) iter.Seq2[store.Record, error] {
	return func(func(store.Record, error) bool) {}
}
