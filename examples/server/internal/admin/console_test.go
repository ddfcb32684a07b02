package admin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// A question that nobody answers ends with the context.
func TestConfirmEndsWithTheContext(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &Program{Stdin: r, Stderr: io.Discard, Interactive: true}
	if err := p.confirm(ctx, false, "Go on?"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// Progress is shown at a terminal only, not too often, and is removed at the end.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &Program{Stderr: &out}
	line := p.newProgress()
	line.show("one")
	line.clear()
	if out.Len() > 0 {
		t.Errorf("without a terminal: wrote %q", &out)
	}
	p.ShowProgress = true
	line = p.newProgress()
	line.show("%s", "one")
	line.show("%s", "two")
	line.shown = time.Now().Add(-time.Minute)
	line.show("%s", "three")
	line.clear()
	line.clear()
	if want := "\rone\x1b[K\rthree\x1b[K\r\x1b[K"; out.String() != want {
		t.Errorf("wrote %q, want %q", &out, want)
	}
}

// Texts of a server cannot control the terminal.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jé\n\u202eb"); strings.ContainsAny(got, "\x1b\n\u202e") || !strings.Contains(got, "é") {
		t.Errorf("got %q", got)
	}
}

// The error of a server cannot control the terminal either.
func TestExitIsPrintable(t *testing.T) {
	var out bytes.Buffer
	p := &Program{Stderr: &out}
	if code := p.exit(t.Context(), "backup", errors.New("it says \x1b]0;title\x07\nand more")); code != exitFailed {
		t.Errorf("got code %d", code)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") || !strings.Contains(out.String(), "\nand more\n") {
		t.Errorf("wrote %q", &out)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1.0 KiB", 3 << 19: "1.5 MiB", 5 << 30: "5.0 GiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d): got %q, want %q", n, got, want)
		}
	}
}
