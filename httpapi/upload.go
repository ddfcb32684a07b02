package httpapi

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

// uploadPrefix begins the names of the temporary files of uploads.
const uploadPrefix = "patchsource-upload-"

// An uploadError is a failure of the temporary file that a body is kept in. It is
// the server's, and its text is for the log: it may name the file.
type uploadError struct{ err error }

func (e *uploadError) Error() string {
	return fmt.Sprintf("the temporary file of an upload: %v", e.err)
}

func (e *uploadError) Unwrap() error { return e.err }

// full reports whether there is no room for the file.
func (e *uploadError) full() bool {
	return errors.Is(e.err, syscall.ENOSPC) || errors.Is(e.err, syscall.EDQUOT)
}

// uploadFailure makes an error of a temporary file an uploadError. The end of the
// file is none.
func uploadFailure(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &uploadError{err}
}

// A tempFile is what an upload needs of a file.
type tempFile interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.Closer
}

// An upload is the temporary file that a body is kept in. All of its errors are of
// type uploadError.
type upload struct{ file tempFile }

// newUpload makes a file in dir; if dir is empty, in that of the system. The file
// has no name where the system allows it, so that it goes with the process, however
// that ends; otherwise it is removed when it is closed.
func newUpload(dir string) (*upload, error) {
	file, err := os.CreateTemp(dir, uploadPrefix)
	if errors.Is(err, fs.ErrNotExist) && dir != "" && os.MkdirAll(dir, 0o700) == nil { // it was swept away meanwhile
		file, err = os.CreateTemp(dir, uploadPrefix)
	}
	if err != nil {
		return nil, &uploadError{err}
	}
	if err := os.Remove(file.Name()); err != nil {
		return &upload{namedFile{file}}, nil
	}
	return &upload{file}, nil
}

// A namedFile is removed when it is closed.
type namedFile struct{ *os.File }

func (f namedFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func (u *upload) Write(p []byte) (int, error) {
	n, err := u.file.Write(p)
	return n, uploadFailure(err)
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.file.Read(p)
	return n, uploadFailure(err)
}

func (u *upload) ReadAt(p []byte, offset int64) (int, error) {
	n, err := u.file.ReadAt(p, offset)
	return n, uploadFailure(err)
}

func (u *upload) Seek(offset int64, whence int) (int64, error) {
	n, err := u.file.Seek(offset, whence)
	return n, uploadFailure(err)
}

func (u *upload) Close() error { return uploadFailure(u.file.Close()) }

// SweepUploads removes the temporary files of uploads that a process has left in
// dir, the UploadDir of [Options], because it was killed. Call it before the server
// takes requests. On Unix, it disturbs no upload in progress, not even that of
// another process: a file in use needs no name.
func SweepUploads(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), uploadPrefix) || !e.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
