//go:build unix

package app

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner returns a function that gives the files that root has made in a folder to the owner of the folder, whose
// server could not read them otherwise. For other users than root, and if the folder does not exist yet, the function
// does nothing.
func keepOwner(dir string) func() error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return func() error { return nil }
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return func() error { return nil }
	}
	return func() error { return giveFiles(dir, int(owner.Uid), int(owner.Gid)) }
}

// giveFiles gives the files of root in a folder to a user. The user may change the folder meanwhile: links do not lead
// out of it, and a file that has another name elsewhere stays with root.
func giveFiles(dir string, uid, gid int) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 0 || !d.IsDir() && (!info.Mode().IsRegular() || stat.Nlink != 1) {
			return nil
		}
		return root.Lchown(name, uid, gid)
	})
}
