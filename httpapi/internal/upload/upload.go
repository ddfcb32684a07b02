// Package upload keeps the bodies of requests in temporary files.
package upload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Prefix begins the names of the temporary files.
const Prefix = "patchsource-upload-"

// An Error is a failure of a temporary file. Its text is for the log alone: it may name the file.
type Error struct{ Err error }

func (e *Error) Error() string { return fmt.Sprintf("the temporary file of an upload: %v", e.Err) }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Full reports whether there is no space left for the file.
func (e *Error) Full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

// wrap returns a failure of a temporary file as an *Error. The end of the file is no failure.
func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &Error{err}
}

// A TempFile is the storage of a File.
type TempFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
}

// A File is a temporary file. All its errors are of type *[Error].
type File struct{ file TempFile }

// NewFile returns a File that is kept in file.
func NewFile(file TempFile) *File { return &File{file} }

// Create makes a file in dir, or in the system's folder if dir is empty. Where the system allows it, the file has no
// name, so that it vanishes with the process; otherwise it is removed when it is closed.
func Create(dir string) (*File, error) {
	file, err := os.CreateTemp(dir, Prefix)
	if errors.Is(err, fs.ErrNotExist) && dir != "" && os.MkdirAll(dir, 0o700) == nil { // dir was removed meanwhile
		file, err = os.CreateTemp(dir, Prefix)
	}
	if err != nil {
		return nil, &Error{err}
	}
	if err := os.Remove(file.Name()); err != nil {
		return &File{namedFile{file}}, nil
	}
	return &File{file}, nil
}

// A namedFile is removed when it is closed.
type namedFile struct{ *os.File }

func (f namedFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func (f *File) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	return n, wrap(err)
}

func (f *File) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	return n, wrap(err)
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.file.ReadAt(p, offset)
	return n, wrap(err)
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	n, err := f.file.Seek(offset, whence)
	return n, wrap(err)
}

// Close removes the file.
func (f *File) Close() error { return wrap(f.file.Close()) }

// Sweep removes the temporary files that a process which was killed has left in dir. On Unix, it disturbs no upload in
// progress, not even one of another process: a file in use needs no name.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), Prefix) || !e.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
