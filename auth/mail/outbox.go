package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// An Outbox is a [Mailer] that writes each message to a file of its own, *.eml, in a directory. It is for development,
// and for operators who send mail in another way. The files contain addresses and tokens in plain text; their owner
// alone may read them.
type Outbox struct {
	from string
	root *os.Root
}

// NewOutbox opens a directory, and creates it if it does not exist. It removes messages that another process left
// unfinished; only one process at a time may use a directory. from is the sender, as ann@example.com or
// Ann <ann@example.com>. The error is [ErrAddress] or that of the file system.
func NewOutbox(dir, from string) (*Outbox, error) {
	if err := checkSender(from); err != nil {
		return nil, err
	}
	if err := makeDirectory(dir); err != nil {
		return nil, fmt.Errorf("mail: outbox: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("mail: outbox: %w", err)
	}
	if err := removeUnfinished(root); err != nil {
		return nil, fmt.Errorf("mail: outbox: %w", errors.Join(err, root.Close()))
	}
	return &Outbox{from, root}, nil
}

// makeDirectory creates a directory and its parents durably. Package filestore has the same function: neither package
// depends on the other, and it is short.
func makeDirectory(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDirectory(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(f), f.Close())
}

const (
	// nameTime is the layout of the time with which the name of a message's file begins.
	nameTime = "20060102T150405.000000000"
	// unfinished is the extension of a message that is being written.
	unfinished = ".tmp"
)

// removeUnfinished removes the messages that were not finished, and no other files.
func removeUnfinished(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		at, _, ok := strings.Cut(e.Name(), "-")
		if _, err := time.Parse(nameTime, at); !ok || err != nil || !strings.HasSuffix(e.Name(), unfinished) {
			continue
		}
		if err := root.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Send implements [Mailer]. The file is durable when Send returns nil.
func (o *Outbox) Send(ctx context.Context, m Message) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Without an encoding, links and commands can be copied out of the file.
	msg, err := build(o.from, m, gomail.WithEncoding(gomail.NoEncoding))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	name := time.Now().UTC().Format(nameTime) + "-" + rand.Text()[:8]
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrSend, errors.Join(err, o.root.Remove(name+unfinished)))
		}
	}()
	f, err := o.root.OpenFile(name+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := o.root.Rename(name+unfinished, name+".eml"); err != nil {
		return err
	}
	dir, err := o.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(syncDirectory(dir), dir.Close())
}

// syncDirectory makes the names in a directory durable. Windows has no such call: NTFS keeps names by itself.
func syncDirectory(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return dir.Sync()
}

// Close closes the directory. Send fails after that.
func (o *Outbox) Close() error { return o.root.Close() }
