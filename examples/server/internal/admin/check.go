package admin

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

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
// checksum is wrong, if a definition is not valid, or if the records of a full backup cannot be loaded. The definitions
// in a full backup need not be valid by the rules of today, because its records are loaded unchanged.
func checkBackup(ctx context.Context, backup io.ReaderAt, size int64, line *progressLine) (c contents, err error) {
	if c.full, err = isFull(backup, size); err != nil {
		return c, err
	}
	if c.full {
		return checkFull(ctx, backup, size, line)
	}
	for _, err := range archive.Read(backup, size, nil) { // with the limits of a server that restores it
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if err != nil {
			return c, err
		}
		c.titles++
		line.show("checking the backup: %s", count(c.titles, "title"))
	}
	return c, nil
}

// checkFull checks a full backup.
func checkFull(ctx context.Context, backup io.ReaderAt, size int64, line *progressLine) (c contents, err error) {
	c.full = true
	z, err := openZip(backup, size)
	if err != nil {
		return c, err
	}
	for _, f := range z.File {
		if strings.HasPrefix(f.Name, fullFolder) {
			continue // Load reads it
		}
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		if err := readMember(f); err != nil {
			return c, fmt.Errorf("%q: %w", f.Name, err)
		}
		c.titles++
		line.show("checking the backup: %s", count(c.titles, "title"))
	}
	c.records, err = dump.Load(ctx, nowhere{}, backup, size, &dump.LoadOptions{
		Progress: func(records int) { line.show("checking the backup: %s", count(records, "record")) },
	})
	return c, err
}

// readMember reads a member of an archive to its end, where its checksum is compared.
func readMember(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// fullFolder is the folder of the records in a full backup.
const fullFolder = "patchsource/"

// isFull reports whether a backup is a full one.
func isFull(backup io.ReaderAt, size int64) (bool, error) {
	z, err := openZip(backup, size)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(z.File, func(f *zip.File) bool {
		return f.Name == fullFolder+"format.json" || f.Name == fullFolder+"titles.ndjson"
	}), nil
}

// openZip reads the directory of a backup.
func openZip(backup io.ReaderAt, size int64) (*zip.Reader, error) {
	z, err := zip.NewReader(backup, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // package archive refuses such names, and says which
		return nil, fmt.Errorf("it is not a backup, or only a part of one: %w", err)
	}
	return z, nil
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
