package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/patchsource/patchsource/examples/server/internal/admin"
)

// openForAdmin opens a store for a command of package admin.
func openForAdmin(ctx context.Context, o admin.StoreOptions) (*admin.OpenedStore, error) {
	f := &flags{Store: o.Name, StorePasswordFile: o.PasswordFile}
	beside, err := f.checkStorePath()
	if err != nil {
		return nil, err
	}
	shown, giveFiles := redactStore(o.Name), func() error { return nil }
	if o.Name == "memory:" {
		return nil, errors.New("--store memory: it is empty while no server runs: use --server URL")
	}
	if dir, ok := strings.CutPrefix(o.Name, "file:"); ok {
		// Opening a folder creates it.
		if _, err := os.Stat(dir); err != nil && !(o.Create && errors.Is(err, fs.ErrNotExist)) {
			return nil, fmt.Errorf("--store %s: %w", shown, err)
		}
		giveFiles = keepOwner(dir)
	}
	opened := &admin.OpenedStore{Name: shown, SecretFile: cmp.Or(o.SecretFile, beside+".secret")}
	if opened.Lease, err = f.lease(); err != nil {
		return nil, fmt.Errorf("--store %s: %w", shown, err)
	}
	if opened.Store, err = f.openStore(ctx, o.Name, o.Logger); err != nil {
		return nil, fmt.Errorf("--store %s: %w", shown, err)
	}
	opened.Close = func() error { return errors.Join(closeStore(opened.Store), giveFiles()) }
	if opened.UploadDir, err = makeUploadDir(o.Name); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}
