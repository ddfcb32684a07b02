package main

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/patch"
)

// A file is a definition to check.
type file struct {
	name string // in reports
	path string // empty for a file in a zip, which cannot be written
	open func() (io.ReadCloser, error)
}

// find returns the files that paths name.
func find(paths []string) (files []file, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			names, err := cli.DefinitionFiles(os.DirFS(p))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				files = append(files, onDisk(filepath.Join(p, filepath.FromSlash(name))))
			}
		case strings.EqualFold(filepath.Ext(p), ".zip"):
			inZip, err := findInZip(p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			files = append(files, inZip...)
		default:
			files = append(files, onDisk(p))
		}
	}
	return files, nil
}

// onDisk returns a file that is not in a zip.
func onDisk(p string) file {
	return file{name: filepath.ToSlash(p), path: p, open: func() (io.ReadCloser, error) { return os.Open(p) }}
}

// findInZip returns the files in a zip. Each of them opens the zip again, so that no zip stays open.
func findInZip(p string) (files []file, err error) {
	z, err := zip.OpenReader(p)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	names, err := cli.DefinitionFiles(z)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		files = append(files, file{name: filepath.ToSlash(p) + "/" + name, open: func() (io.ReadCloser, error) {
			z, err := zip.OpenReader(p)
			if err != nil {
				return nil, err
			}
			f, err := z.Open(name)
			if err != nil {
				_ = z.Close()
				return nil, err
			}
			return zipped{f, z}, nil
		}})
	}
	return files, nil
}

// A zipped is a file in a zip. Close closes both.
type zipped struct {
	fs.File
	z io.Closer
}

// Close implements io.Closer.
func (z zipped) Close() error {
	err := z.File.Close()
	if closeErr := z.z.Close(); err == nil {
		err = closeErr
	}
	return err
}

// read returns the contents of a file.
func (f file) read() ([]byte, error) {
	r, err := f.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, patch.DefaultMaxBytes+1)) // Parse rejects longer files
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return data, nil
}
