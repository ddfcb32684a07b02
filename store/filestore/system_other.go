//go:build !linux

package filestore

import (
	"errors"
	"os"
)

// syncData makes the bytes of a file durable.
func syncData(file *os.File) error { return file.Sync() }

// startWriting does nothing: a later sync does it.
func startWriting(*os.File) {}

// readStart fails: the caller reads the file in another way.
func readStart(*os.File, string, []byte) (int, error) { return 0, errors.ErrUnsupported }
