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

	"github.com/patchsource/patchsource/patch"
)

// quiet is how long a folder must have been quiet before it is looked at: a
// checkout writes many files.
const quiet = 300 * time.Millisecond

// folderPrefix begins the key of a folder.
const folderPrefix = "folder:"

type folder struct{ dir string }

// Folder returns the [Source] of a folder of definitions, *.json in it and in the
// folders in it, such as a checkout of a repository: definitions as code. What
// begins with a dot is left out, and nothing outside is read, wherever links lead.
// It is watched, and looked at now and then all the same.
//
// Its key is "folder:" and the folder's name, since a key is shown to everybody:
// of two folders of one name, one needs another [Mirror.Name].
func Folder(dir string) Source { return &folder{dir} }

func (d *folder) Key() string {
	if abs, err := filepath.Abs(d.dir); err == nil {
		return folderPrefix + filepath.Base(abs)
	}
	return folderPrefix + filepath.Base(d.dir)
}

// fail makes an error of one that may say where the folder is, which is nobody's
// business.
func (d *folder) fail(err error) error {
	var where *fs.PathError
	if errors.As(err, &where) {
		err = where.Err
	}
	return &UpstreamError{URL: d.Key(), Err: err}
}

// List reads the names of the files, and not what is in them.
func (d *folder) List(ctx context.Context, f *Fetcher, _ string) (*Listing, error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return nil, d.fail(err)
	}
	defer root.Close()
	l := &Listing{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular() || !strings.EqualFold(path.Ext(name), ".json"):
			return nil
		case len(l.Items) == maxTitles:
			return fmt.Errorf("it has more than %d definitions", maxTitles)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		l.Items = append(l.Items, Item{
			ID:    name,
			URL:   d.Key() + "/" + name,
			Mark:  fmt.Sprintf("%d %d", info.ModTime().UnixNano(), info.Size()),
			Fetch: func(context.Context) (*Fetched, error) { return d.read(f, name) },
		})
		return nil
	})
	if err != nil {
		return nil, d.fail(err)
	}
	return l, nil
}

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
	most := int64(patch.DefaultMaxBytes)
	if f.maxBytes > 0 {
		most = int64(f.maxBytes)
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1)) // what is longer is refused by who reads it
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
	add := func() error {
		return filepath.WalkDir(d.dir, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			if name != d.dir && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return w.Add(name) // again is fine
		})
	}
	if err := add(); err != nil {
		return err
	}
	changed() // since it was last looked at
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
			settled.Reset(quiet)
		case err := <-w.Errors:
			if err != nil {
				return err
			}
		case <-settled.C:
			if err := add(); err != nil {
				return err
			}
			changed()
		}
	}
}
