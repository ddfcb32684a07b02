package patchsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// settleTime is how long a folder must be quiet before it is read: a checkout writes many files.
const settleTime = 300 * time.Millisecond

// A folder is the [Source] of the definitions in a directory.
type folder struct{ dir string }

// Folder returns the [Source] of a folder of definitions: all *.json files in it and below, such as a checkout of a
// repository. Names that begin with a dot are skipped, and symbolic links are never followed out of the folder. A
// mirror reads the folder when a file changes, and at its interval. Files whose names end in .recipe.json are recipes:
// the [Watches] of the Runner make their titles.
//
// The key is "folder:" and the folder's name without its path, since keys are published: of two folders with one
// name, one needs another [Mirror.Name].
func Folder(dir string) Source { return &folder{dir} }

// Key implements [Source].
func (d *folder) Key() string {
	if abs, err := filepath.Abs(d.dir); err == nil {
		return folderPrefix + filepath.Base(abs)
	}
	return folderPrefix + filepath.Base(d.dir)
}

// check implements checker.
func (d *folder) check(*safehttp.Client) error {
	if d.dir == "" {
		return errors.New("a folder needs the path of a directory")
	}
	return nil
}

// fail returns an UpstreamError that does not contain the folder's path, which is not published.
func (d *folder) fail(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &UpstreamError{URL: d.Key(), Err: err}
}

// List implements [Source]. It reads the names of the files only.
func (d *folder) List(ctx context.Context, f *Fetcher, _ string) (*Listing, error) {
	l := &Listing{}
	err := d.walk(ctx, func(_ *os.Root, name string, entry fs.DirEntry) error {
		if isRecipe(name) {
			return nil
		}
		if len(l.Items) == maxTitles {
			return fmt.Errorf("the folder has more than %d definitions", maxTitles)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		l.Items = append(l.Items, d.item(f, name, info))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// walk calls visit for each *.json file in the folder and below. The error is an *[UpstreamError].
func (d *folder) walk(ctx context.Context, visit func(root *os.Root, name string, entry fs.DirEntry) error) error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return d.fail(err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isHidden(name, entry) && entry.IsDir():
			return fs.SkipDir
		case isHidden(name, entry), !entry.Type().IsRegular(), !strings.EqualFold(path.Ext(name), ".json"):
			return nil
		}
		return visit(root, name, entry)
	})
	if err != nil {
		return d.fail(err)
	}
	return nil
}

// isHidden reports whether an entry of a folder is skipped.
func isHidden(name string, entry fs.DirEntry) bool {
	return name != "." && strings.HasPrefix(entry.Name(), ".")
}

// item returns the item of a file.
func (d *folder) item(f *Fetcher, name string, info fs.FileInfo) Item {
	return Item{
		ID:    name,
		URL:   d.Key() + "/" + name,
		Mark:  fmt.Sprintf("%d %d", info.ModTime().UnixNano(), info.Size()),
		Fetch: func(context.Context) (*Fetched, error) { return d.read(f, name) },
	}
}

// read reads the definition in a file.
func (d *folder) read(f *Fetcher, name string) (*Fetched, error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, d.fail(err)
	}
	defer root.Close()
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, d.fail(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(f.maxBytes)+1)) // open rejects a definition that is too large
	if err != nil {
		return nil, d.fail(err)
	}
	return f.open(d.Key()+"/"+name, data, nil)
}

// Watch implements [Watcher].
func (d *folder) Watch(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := d.addTo(w); err != nil {
		return err
	}
	changed() // since the folder was last read
	settled := time.NewTimer(0)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.Events:
			if !ok {
				return nil
			}
			settled.Reset(settleTime)
		case err := <-w.Errors:
			if err != nil {
				return err
			}
		case <-settled.C:
			if err := d.addTo(w); err != nil {
				return err
			}
			changed()
		}
	}
}

// addTo makes w watch the folder and all folders below it. To watch one again does nothing.
func (d *folder) addTo(w *fsnotify.Watcher) error {
	return filepath.WalkDir(d.dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if name != d.dir && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return w.Add(name)
	})
}
