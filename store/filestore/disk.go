package filestore

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// A disk makes the calls that change files, and those whose failure must be tested. Tests replace them to make them
// fail, and to record what a loss of power would leave.
type disk struct {
	openFile func(root *os.Root, name string) (*os.File, error)
	create   func(root *os.Root, name string) (*os.File, error)
	readAt   func(file *os.File, data []byte, at int64) (int, error)
	writeAt  func(file *os.File, data []byte, at int64) error
	truncate func(file *os.File, size int64) error
	syncFile func(file *os.File) error // a file or a directory
	syncData func(file *os.File) error // a file, without its time of change
	// startWriting begins to write the bytes of a file to the disk and does not wait.
	startWriting func(file *os.File)
	rename       func(root *os.Root, from, to string) error
	remove       func(root *os.Root, name string) error
}

// systemDisk returns a disk that makes system calls.
func systemDisk() disk {
	return disk{
		openFile: openFile,
		create: func(root *os.Root, name string) (*os.File, error) {
			return root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		},
		readAt: (*os.File).ReadAt,
		writeAt: func(file *os.File, data []byte, at int64) error {
			_, err := file.WriteAt(data, at)
			return err
		},
		truncate:     (*os.File).Truncate,
		syncFile:     (*os.File).Sync,
		syncData:     syncData,
		startWriting: startWriting,
		rename:       (*os.Root).Rename,
		remove:       (*os.Root).Remove,
	}
}

// openFile opens a file to read it, and to sync it: Windows syncs only files that are open for writing.
func openFile(root *os.Root, name string) (*os.File, error) {
	if runtime.GOOS == "windows" {
		return root.OpenFile(name, os.O_RDWR, 0)
	}
	return root.Open(name)
}

// isFull reports whether an error says that there is no room for more data.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
