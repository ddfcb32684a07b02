package filestore

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// syncData makes the bytes of a file durable, and its size if that has changed.
func syncData(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = syscall.Fdatasync(int(fd)); !errors.Is(syncErr, syscall.EINTR) {
				return
			}
		}
	})
	if err == nil && syncErr != nil {
		err = &os.PathError{Op: "fdatasync", Path: file.Name(), Err: syncErr}
	}
	return err
}

// startWriting begins to write the bytes of a file to the disk, so that a sync of several files waits less often.
func startWriting(file *os.File) {
	if conn, err := file.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), 0, 0, unix.SYNC_FILE_RANGE_WRITE) })
	}
}

// readStart reads the beginning of a file into b and returns how much it has read. It does not follow links. It costs
// three system calls and no allocation.
func readStart(dir *os.File, name string, b []byte) (n int, err error) {
	conn, err := dir.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = conn.Control(func(at uintptr) {
		var fd int
		fd, readErr = unix.Openat(int(at), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if readErr != nil {
			return
		}
		n, readErr = unix.Read(fd, b)
		_ = unix.Close(fd)
	})
	return max(n, 0), errors.Join(err, readErr)
}
