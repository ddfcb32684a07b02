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
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// An Outbox is a Mailer that writes each message to a file of its own, *.eml, in a
// folder: for development, and for those who send mail in another way. The files
// hold addresses and tokens in the clear; their owner alone may read them.
type Outbox struct {
	from string
	root *os.Root
}

// NewOutbox makes the folder if it is not there, and sweeps messages out of it that
// were being written when a process was stopped; one process at a time uses a
// folder. from is the sender, as ann@example.com or Ann <ann@example.com>. The error
// is [ErrAddress], or of the file system.
func NewOutbox(dir, from string) (*Outbox, error) {
	if err := checkSender(from); err != nil {
		return nil, err
	}
	if err := makeFolder(dir); err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	if err := sweep(root); err != nil {
		return nil, fmt.Errorf("outbox: %w", errors.Join(err, root.Close()))
	}
	return &Outbox{from, root}, nil
}

// makeFolder makes a folder, and those above it, that are on disk when it returns.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolder(parent); err != nil {
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
	return errors.Join(f.Sync(), f.Close())
}

const (
	// nameTime begins the name of a message's file.
	nameTime = "20060102T150405.000000000"
	// unfinished ends the name of a message that is being written.
	unfinished = ".tmp"
)

// sweep removes the messages that were not finished. Other files stay.
func sweep(root *os.Root) error {
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

// Send implements [Mailer]: the file is on disk when it returns.
func (o *Outbox) Send(ctx context.Context, m Message) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	// People copy links and commands out of the file.
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
	return errors.Join(dir.Sync(), dir.Close())
}

// Close gives the folder free.
func (o *Outbox) Close() error { return o.root.Close() }
