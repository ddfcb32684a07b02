package auth

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxFile is the maximum size in bytes of a file that loadFile reads.
const maxFile = 4096

// loadFile returns the text of a file of one line, without surrounding white space. If the file does not exist,
// loadFile creates it with the result of line.
func loadFile(path string, line func() string) (text string, created bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		text = line()
		return text, true, writeFile(path, text+"\n")
	}
	if err != nil {
		return "", false, fmt.Errorf("auth: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return "", false, fmt.Errorf("auth: %s is not a regular file of at most %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", false, fmt.Errorf("auth: %w", err)
	}
	return string(bytes.TrimSpace(data)), false, nil
}

// writeFile writes a file that only its owner may read. The file is durable when writeFile returns nil, and never
// contains only a part of text.
func writeFile(path, text string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("auth: %w", err)
		}
	}()
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // NTFS keeps names by itself, and directories cannot be synced
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
