package app

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// importers is the number of titles that are written concurrently: a store that syncs each write can combine them.
	importers = 32
	// progressInterval is the time between two log lines about the progress of an import.
	progressInterval = 2 * time.Second
	// maxReasons bounds the failures of one file that are logged.
	maxReasons = 20
	// fullFolder is the folder of a full backup whose files are not definitions.
	fullFolder = "patchsource/"
)

// importPath imports the definitions of a folder, a zip, one file or a bucket. It does not change existing titles,
// so that an import can be repeated, and logs and skips files that are invalid. It returns an error if the folder or
// zip as a whole cannot be read, or if the store fails.
func importPath(ctx context.Context, name string, c *catalog.Catalog, log *slog.Logger) error {
	if storeScheme(name) == "s3" {
		return importBucket(ctx, name, c, log)
	}
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("--import: %w", err)
	}
	var files fs.FS
	var names []string
	switch {
	case info.IsDir():
		files = os.DirFS(name)
		names, err = cli.DefinitionFiles(files)
	case strings.EqualFold(filepath.Ext(name), ".json"):
		files, names = os.DirFS(filepath.Dir(name)), []string{filepath.Base(name)}
	default:
		z, zipErr := zip.OpenReader(name)
		if zipErr != nil {
			return fmt.Errorf("--import %s: not a folder, a zip or a .json file: %w", name, zipErr)
		}
		defer z.Close()
		files = z
		names, err = cli.DefinitionFiles(files)
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, fullFolder) })
	}
	if err != nil {
		return fmt.Errorf("--import %s: %w", name, err)
	}
	if err := importFiles(ctx, files, names, c, log.With("from", name)); err != nil {
		return fmt.Errorf("--import %s: %w", name, err)
	}
	return nil
}

// importFiles imports the named files.
func importFiles(ctx context.Context, files fs.FS, names []string, c *catalog.Catalog, log *slog.Logger) error {
	run := &importRun{files: files, catalog: c, log: log}
	log.Info("importing", "files", len(names))
	begun := time.Now()
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()

	group, working := errgroup.WithContext(ctx) // working ends with the first error
	group.SetLimit(importers)
	for _, name := range names {
		if working.Err() != nil {
			break
		}
		select {
		case <-progress.C:
			log.Info("still importing", run.counts(len(names))...)
		default:
		}
		group.Go(func() error { return run.importFile(working, name) })
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	log.Info("imported", append(run.counts(len(names)), "took", time.Since(begun).Round(time.Millisecond))...)
	return nil
}

// An importRun imports files concurrently.
type importRun struct {
	files   fs.FS
	catalog *catalog.Catalog
	log     *slog.Logger

	imported, existing, rejected atomic.Int64
	seen                         sync.Map // file names by the ids in them, in lower case
}

// counts returns the number of files with each outcome, as attributes of a log line.
func (r *importRun) counts(files int) []any {
	return []any{
		"files", files,
		"imported", r.imported.Load(),
		"existing", r.existing.Load(),
		"rejected", r.rejected.Load(),
	}
}

// importFile imports one file and logs why it cannot. It returns an error only if the import cannot continue.
func (r *importRun) importFile(ctx context.Context, name string) error {
	log := r.log.With("file", name)
	def, repairs, err := r.read(name)
	for _, w := range repairs {
		log.Warn("repaired a file", "pointer", w.Path, "repair", w.Message)
	}
	var result catalog.Result
	if err == nil {
		result, err = r.catalog.Create(ctx, def, nil)
	}
	var invalid *patch.ValidationError
	switch {
	case err == nil:
		r.imported.Add(1)
		warnIgnored(log, result.Warnings)
	case errors.Is(err, catalog.ErrExists):
		r.existing.Add(1)
	case errors.Is(err, catalog.ErrUnavailable), ctx.Err() != nil:
		return err
	case errors.As(err, &invalid):
		r.rejected.Add(1)
		log.Warn("rejected a file", "failures", len(invalid.Failures),
			"reasons", invalid.Failures[:min(len(invalid.Failures), maxReasons)])
	default:
		r.rejected.Add(1)
		log.Warn("rejected a file", "reason", err)
	}
	return nil
}

// read parses a file, unless an earlier file of the import had the same id. It also returns what it repaired.
func (r *importRun) read(name string) (def *patch.Definition, repairs []patch.Warning, err error) {
	f, err := r.files.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, patch.DefaultMaxBytes+1)) // ParseRepair rejects longer files
	if err != nil {
		return nil, nil, err
	}
	def, repairs, err = patch.ParseRepair(data, nil)
	if err != nil {
		return nil, nil, err
	}
	if other, loaded := r.seen.LoadOrStore(strings.ToLower(def.ID), name); loaded {
		return nil, nil, fmt.Errorf("another file of this import has the same id %s: %s", def.ID, other)
	}
	return def, repairs, nil
}

// warnIgnored logs the members of a definition that have no effect. The other warnings are shown on the page.
func warnIgnored(log *slog.Logger, warnings []patch.Warning) {
	for _, w := range warnings {
		if w.Code == "enabled-ignored" {
			log.Warn("ignored a member of a file", "pointer", w.Path, "reason", w.Message)
		}
	}
}
