package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// revokeTimeout bounds the revocation of a token that could not be written.
const revokeTimeout = 30 * time.Second

// createFlags are the flags of patchsource token create.
type createFlags struct {
	connection
	Name          string `placeholder:"NAME"`
	Administrator bool
	Title         []string `placeholder:"ID" sep:"none"`
	Days          *int     `placeholder:"N"`
	NeverExpires  bool
	Output        string `short:"o" placeholder:"FILE"`
}

var createProgram = cli.Program{
	Name: "patchsource token create",
	Description: "Make a token and write it to standard output, or to a file that only you can read.\n\n" +
		"Without --administrator and --title, an administrator makes an editor token, which may create titles and " +
		"change all of them. The holder of a title's or a contributor's token makes one like it.\n\n" +
		"If the administrator token is lost, stop the server and make a new one with its store:\n\n" +
		"  patchsource token create --store file:./data --administrator --never-expires -o data.admin-token\n\n" +
		where + "\n\n" + exitCodes,
	Help: describe(map[string]string{
		"name":          "Name of the token, which lists show: where it is used.",
		"administrator": "Make an administrator token, which may do everything.",
		"title":         "Id of a title that the token is limited to. May be repeated.",
		"days":          "Lifetime in days, from 1 to 365 (default: 365).",
		"never-expires": "Make a token that never expires. Only administrators can.",
		"output": "Write the token to this file, which only you can read, in place of standard output. A file that " +
			"exists is not changed.",
	}),
}

// tokenCreate runs patchsource token create.
func (p *Program) tokenCreate(ctx context.Context, args []string) int {
	f := &createFlags{}
	if code, done := p.parse(f, createProgram, args); done {
		return code
	}
	err := f.check()
	if err == nil {
		err = f.complete(p, true)
	}
	if err == nil {
		err = f.with(ctx, p, offlineOptions{command: "token create"}, func(s *source) error {
			return f.create(ctx, p, s)
		})
	}
	return p.exit(ctx, "token create", err)
}

// check returns an error for flags that exclude each other.
func (f *createFlags) check() error {
	switch {
	case f.Administrator && len(f.Title) > 0:
		return usagef("--administrator excludes --title: an administrator token is not limited to titles")
	case f.Days != nil && f.NeverExpires:
		return usagef("--days excludes --never-expires")
	case f.Days != nil && (*f.Days < 1 || *f.Days > 365):
		return usagef("--days %d: it must be a number from 1 to 365", *f.Days)
	}
	return nil
}

// create makes the token and writes it. A token that cannot be written is revoked.
func (f *createFlags) create(ctx context.Context, p *Program, s *source) error {
	var file *newFile
	if f.Output != "" {
		var err error
		if file, err = createFile(f.Output, 0o600, false); err != nil { // before there is a token to be lost
			return fmt.Errorf("--output: %w", err)
		}
		defer file.discard()
	}
	token, err := s.MakeToken(ctx, wire.TokenRequest{
		Name:          f.Name,
		Days:          f.Days,
		NeverExpires:  f.NeverExpires,
		Titles:        f.Title,
		Administrator: f.Administrator,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if file == nil {
		_, err = fmt.Fprintln(p.Stdout, token.Secret)
	} else if _, err = fmt.Fprintln(file, token.Secret); err == nil {
		err = file.publish()
	}
	if err != nil {
		err = fmt.Errorf("the token could not be written, and was revoked: %w", err)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
		defer cancel()
		if _, failed := s.RevokeToken(ctx, token.ID, nil); failed != nil {
			err = errors.Join(err, fmt.Errorf("revoke the token %s, which is valid: %w", printable(token.ID), failed))
		}
		return err
	}
	fmt.Fprintln(p.Stderr, described(token, f.Output))
	return nil
}

// described says which token was made and where it is.
func described(t wire.NewToken, output string) string {
	text := fmt.Sprintf("made the token %s (%s", printable(t.ID), printable(string(t.Kind)))
	if t.Titles != nil {
		text += " of " + printable(strings.Join(t.Titles, ", "))
	}
	if t.Expires == nil {
		text += ", never expires)"
	} else {
		text += ", expires " + day(t.Expires, "") + ")"
	}
	if output != "" {
		text += " in " + output
	}
	return text
}
