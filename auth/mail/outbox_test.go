package mail_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/patchsource/patchsource/auth/mail"
)

// A folder is made with those above it. What a process that was stopped left unfinished is swept away, and nothing else.
func TestOutboxSweeps(t *testing.T) {
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
	left := []string{"20260102T030405.000000006-ABCDEFGH.tmp"}
	others := []string{"mine.tmp", "20260102T030405.000000006-ABCDEFGH.eml", "x-y.tmp"}
	for _, name := range append(others, left...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := mail.NewOutbox(dir, sender)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.eml")); len(files) != 3 {
		t.Errorf("%q", files)
	}
	file := filepath.Join(dir, "mine.tmp")
	for _, bad := range []string{file, filepath.Join(file, "outbox")} {
		if _, err := mail.NewOutbox(bad, sender); err == nil {
			t.Errorf("%s is no folder", bad)
		}
	}
}
