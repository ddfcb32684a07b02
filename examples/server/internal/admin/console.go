package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// confirm asks a question about a change. It returns nil if the answer is yes, or if yes, the flag --yes, is set.
func (p *Program) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !p.Interactive {
		return usagef("nothing was changed: confirm this with --yes, because standard input is not a terminal: %s",
			question)
	}
	fmt.Fprintf(p.Stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // a read from a terminal cannot be interrupted
		line, _ := bufio.NewReader(io.LimitReader(p.Stdin, 1<<10)).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.Stderr)
		return fmt.Errorf("nothing was changed: %w", context.Cause(ctx))
	case text := <-answer:
		if text == "y" || text == "yes" {
			return nil
		}
		return errors.New("nothing was changed: the answer was not yes")
	}
}

// progressInterval is the time between two updates of a progress line.
const progressInterval = 200 * time.Millisecond

// A progressLine is a line of a terminal that shows how far long work is. A nil progressLine shows nothing.
type progressLine struct {
	w     io.Writer
	shown time.Time
}

// newProgress returns a progress line, or nil if there is no terminal.
func (p *Program) newProgress() *progressLine {
	if !p.ShowProgress {
		return nil
	}
	return &progressLine{w: p.Stderr}
}

// show replaces the text of the line, unless it was replaced a moment ago.
func (l *progressLine) show(format string, args ...any) {
	if l == nil || time.Since(l.shown) < progressInterval {
		return
	}
	l.shown = time.Now()
	fmt.Fprintf(l.w, "\r"+format+"\x1b[K", args...)
}

// clear removes the line.
func (l *progressLine) clear() {
	if l != nil && !l.shown.IsZero() {
		fmt.Fprint(l.w, "\r\x1b[K")
		l.shown = time.Time{}
	}
}

// printable returns a text of a server without the characters that control a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// count returns a number and a noun in the right form, such as "1 title" and "2 titles".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// size returns a number of bytes as people read it.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return count(int(n), "byte")
}
