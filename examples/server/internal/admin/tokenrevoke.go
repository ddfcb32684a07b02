package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// tokenPrefix is what every token begins with.
const tokenPrefix = "pst_"

// revokeFlags are the flags of patchsource token revoke.
type revokeFlags struct {
	connection
	ID                []string `arg:"" name:"id"`
	Yes               bool     `short:"y"`
	LastAdministrator bool
}

var revokeProgram = cli.Program{
	Name: "patchsource token revoke",
	Description: "Revoke tokens, and with each of them all tokens that were made with it. A revocation cannot be " +
		"undone.\n\n" + where + "\n\n" + exitCodes,
	Help: describe(map[string]string{
		"id":  "Id of a token, as patchsource token list shows it.",
		"yes": "Do not ask. Without a terminal to ask at, the command requires it.",
		"last-administrator": "Revoke even the last administrator's token, after which nobody can administer the " +
			"server until it makes another one when it starts.",
	}),
}

// tokenRevoke runs patchsource token revoke.
func (p *Program) tokenRevoke(ctx context.Context, args []string) int {
	f := &revokeFlags{}
	if code, done := p.parse(f, revokeProgram, args); done {
		return code
	}
	var err error
	if slices.ContainsFunc(f.ID, func(id string) bool { return strings.HasPrefix(id, tokenPrefix) }) {
		err = usagef("this is a token: give its id, as patchsource token list shows it; other users of the machine " +
			"can read arguments")
	}
	if err == nil {
		err = f.complete(p, true)
	}
	if err == nil {
		err = f.with(ctx, p, offlineOptions{command: "token revoke"}, func(s *source) error {
			return f.revoke(ctx, p, s)
		})
	}
	return p.exit(ctx, "token revoke", err)
}

// revoke revokes the tokens after a confirmation.
func (f *revokeFlags) revoke(ctx context.Context, p *Program, s *source) error {
	all, err := s.Tokens(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	question := "Revoke"
	for i, id := range f.ID {
		at := slices.IndexFunc(all, func(t wire.Token) bool { return t.ID == id })
		if at < 0 {
			return fmt.Errorf("%s: there is no valid token with the id %q, or it is an administrator's that "+
				"expires later than the token of this request; nothing was revoked", s.name, id)
		}
		if i > 0 {
			question += ","
		}
		question += " the token " + id + " (" + printable(string(all[at].Kind))
		if all[at].Name != "" {
			question += fmt.Sprintf(", %q", all[at].Name)
		}
		question += ")"
	}
	if err := p.confirm(ctx, f.Yes, question+", and all tokens made with it?"); err != nil {
		return err
	}
	for _, id := range f.ID {
		below, err := s.RevokeToken(ctx, id, &client.RevokeOptions{LastAdministrator: f.LastAdministrator})
		switch {
		case errors.Is(err, client.ErrNotFound): // it was made with one that was just revoked
			fmt.Fprintf(p.Stderr, "the token %s is revoked\n", id)
		case errors.Is(err, client.ErrConflict):
			return fmt.Errorf("%s: %s is the last administrator's token: make another one first, or revoke it with "+
				"--last-administrator", s.name, id)
		case err != nil:
			return fmt.Errorf("%s: %w", s.name, err)
		default:
			fmt.Fprintf(p.Stderr, "revoked the token %s, and %s made with it\n", id, count(below, "token"))
		}
	}
	return nil
}
