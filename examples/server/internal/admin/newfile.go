package admin

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A newFile is a file that appears under its name when it is complete. Until then it has another name in the same
// folder.
type newFile struct {
	*os.File
	name    string
	replace bool // a file with the name may be replaced
	done    bool
}

// createFile creates a file. The caller must call publish or discard. If replace is false, no file with the name may
// exist.
func createFile(name string, mode fs.FileMode, replace bool) (*newFile, error) {
	info, err := os.Lstat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder: name a file in it", name)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case err == nil && !replace:
		return nil, &existsError{name}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:8]+".part")
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, name: name, replace: replace}, nil
}

// An existsError is an fs.ErrExist for a file that must not be replaced.
type existsError struct{ name string }

// Error implements error.
func (e *existsError) Error() string {
	return e.name + " exists already, and was not changed: name another file"
}

// Is reports whether target is fs.ErrExist.
func (e *existsError) Is(target error) bool { return target == fs.ErrExist }

// publish gives the file its name, durably, and closes it. After an error, the caller must call discard.
func (f *newFile) publish() error {
	if err := cmp.Or(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := f.rename(); err != nil {
		return err
	}
	f.done = true
	if runtime.GOOS == "windows" { // NTFS keeps names by itself, and folders cannot be synced
		return nil
	}
	folder, err := os.Open(filepath.Dir(f.name))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// rename gives the file its name. If it must not replace a file, it does not, even if that one has just appeared.
func (f *newFile) rename() error {
	temp := f.File.Name()
	if f.replace {
		return os.Rename(temp, f.name)
	}
	switch err := os.Link(temp, f.name); {
	case err == nil:
		return os.Remove(temp)
	case errors.Is(err, fs.ErrExist):
		return &existsError{f.name}
	}
	// The file system has no hard links.
	if _, err := os.Lstat(f.name); err == nil {
		return &existsError{f.name}
	}
	return os.Rename(temp, f.name)
}

// discard removes the file unless it has its name.
func (f *newFile) discard() {
	if !f.done {
		_ = f.Close()
		_ = os.Remove(f.File.Name())
	}
}
