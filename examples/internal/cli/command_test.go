package cli

import (
	"bytes"
	"testing"
)

func TestUnknownCommand(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"bakup", `there is no command "bakup": did you mean backup?`},
		{"serve", `there is no command "serve"`},
	} {
		if err := UnknownCommand(c.name, []string{"token", "backup"}); err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestParseCommand(t *testing.T) {
	p := Program{Name: "x y", Description: "Does y."}
	for _, c := range []struct {
		arg    string
		code   int
		done   bool
		stderr string
	}{
		{"--store=a", 0, false, ""},
		{"--help", 0, true, ""},
		{"--stor=a", 7, true, "x y: there is no flag --stor: did you mean --store?\nTry x y --help.\n"},
	} {
		var flags struct{ Store string }
		var stdout, stderr bytes.Buffer
		code, done := ParseCommand(&flags, p, []string{c.arg}, &stdout, &stderr, 7)
		if code != c.code || done != c.done || stderr.String() != c.stderr ||
			(stdout.Len() > 0) != (c.arg == "--help") {
			t.Errorf("%s: got %d, %v, %q and %q", c.arg, code, done, &stdout, &stderr)
		}
	}
}
