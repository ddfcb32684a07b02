package mail_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/auth/mail"
)

// TestOutbox checks that messages sent concurrently are written to separate files.
func TestOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	o, err := mail.NewOutbox(dir, sender)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := o.Send(context.Background(), message); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 10 {
		t.Errorf("the outbox has the files %q, want 10", files)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 || filepath.Ext(name) != ".eml" {
			t.Errorf("%s: %v, error %v; want an .eml file of mode 0600", name, info, err)
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		checkMessage(t, raw, "8bit") // not quoted-printable, so that text can be copied from the file
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Send(canceled, message); !errors.Is(err, context.Canceled) {
		t.Errorf("Send with a canceled context: %v, want context.Canceled", err)
	}
}

// TestNewOutbox checks that NewOutbox creates a directory and its parents, and removes unfinished messages but no
// other files.
func TestNewOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "outbox")
	for range 2 {
		o, err := mail.NewOutbox(dir, sender)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Send(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	unfinished := "20260102T030405.000000006-ABCDEFGH.tmp"
	others := []string{"mine.tmp", "20260102T030405.000000006-ABCDEFGH.eml", "x-y.tmp"}
	for _, name := range append(others, unfinished) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := mail.NewOutbox(dir, sender)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := os.Stat(filepath.Join(dir, unfinished)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was not removed: %v", unfinished, err)
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.eml")); len(files) != 3 {
		t.Errorf("the outbox has the messages %q, want 3", files)
	}
	file := filepath.Join(dir, "mine.tmp")
	for _, bad := range []string{file, filepath.Join(file, "outbox")} {
		if _, err := mail.NewOutbox(bad, sender); err == nil {
			t.Errorf("NewOutbox(%s) returned no error, although the path is not a directory", bad)
		}
	}
}
