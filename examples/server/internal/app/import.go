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
	// importers is how many titles are written at once: a store that syncs each
	// write can do several of them in one go.
	importers = 8
	// progressInterval is how often an import that takes long says how far it is.
	progressInterval = 2 * time.Second
	// mostReasons is how many failures of one file the log names.
	mostReasons = 20
)

// importPath loads the definitions of a folder or a zip. A title that is there
// already is left as it is, so that an import can be repeated; a file that is no
// acceptable definition is named in the log and left out. The error is of the
// folder or zip as a whole, or of the store.
func importPath(ctx context.Context, name string, cat *catalog.Catalog, log *slog.Logger) error {
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
			return fmt.Errorf("--import %s: it is neither a folder nor a zip nor a .json file: %w", name, zipErr)
		}
		defer z.Close()
		files = z
		names, err = cli.DefinitionFiles(files)
	}
	if err != nil {
		return fmt.Errorf("--import %s: %w", name, err)
	}
	if err := importFiles(ctx, files, names, cat, log.With("from", name)); err != nil {
		return fmt.Errorf("--import %s: %w", name, err)
	}
	return nil
}

func importFiles(ctx context.Context, files fs.FS, names []string, cat *catalog.Catalog, log *slog.Logger) error {
	var imported, there, refused atomic.Int64
	var here sync.Map // file names by the ids in them, in lower case
	counts := func() []any {
		return []any{
			"files",
			len(names),
			"imported",
			imported.Load(),
			"there_already",
			there.Load(),
			"refused",
			refused.Load(),
		}
	}
	log.Info("import begins", "files", len(names))
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
			log.Info("import goes on", counts()...)
		default:
		}
		group.Go(func() error {
			var invalid *patch.ValidationError
			mended, unheeded, err := importFile(working, files, name, cat, &here)
			for _, w := range mended {
				log.Warn("a file was mended", "file", name, "path", w.Path, "what", w.Message)
			}
			for _, w := range unheeded {
				log.Warn("a file asks for what is not done", "file", name, "path", w.Path, "what", w.Message)
			}
			switch {
			case err == nil:
				imported.Add(1)
			case errors.Is(err, catalog.ErrExists):
				there.Add(1)
			case errors.Is(err, catalog.ErrUnavailable), working.Err() != nil:
				return err
			case errors.As(err, &invalid):
				refused.Add(1)
				log.Warn(
					"a file was refused",
					"file",
					name,
					"failures",
					len(invalid.Failures),
					"reasons",
					invalid.Failures[:min(len(invalid.Failures), mostReasons)],
				)
			default:
				refused.Add(1)
				log.Warn("a file was refused", "file", name, "reason", err)
			}
			return nil
		})
	}
	if err := errors.Join(group.Wait(), context.Cause(ctx)); err != nil {
		return err
	}
	log.Info("import is done", append(counts(), "took", time.Since(begun).Round(time.Millisecond))...)
	return nil
}

// importFile loads one file, unless another one had its id before. It returns what was mended of the file,
// and what it asks for that no source does.
func importFile(ctx context.Context, files fs.FS, name string, cat *catalog.Catalog, here *sync.Map) (
	mended, unheeded []patch.Warning, err error,
) {
	f, err := files.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, patch.DefaultMaxBytes+1)) // Parse refuses what is longer
	if err != nil {
		return nil, nil, err
	}
	def, mended, err := patch.ParseRepair(data, nil)
	if err != nil {
		return nil, nil, err
	}
	if other, twice := here.LoadOrStore(strings.ToLower(def.ID), name); twice {
		return nil, nil, fmt.Errorf("%s, another file of this import, has the same id: %s", other, def.ID)
	}
	res, err := cat.Create(ctx, def, nil)
	if err != nil {
		return mended, nil, err
	}
	for _, w := range res.Warnings {
		if w.Code == patch.CodeEnabledIgnored { // the others stand on the page
			unheeded = append(unheeded, w)
		}
	}
	return mended, unheeded, nil
}
