package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// listFlags are the flags of patchsource token list.
type listFlags struct {
	connection
	JSON bool `name:"json"`
}

var listProgram = cli.Program{
	Name: "patchsource token list",
	Description: "List the valid tokens of a patch source: their ids, kinds, names, titles, and when they expire and " +
		"were last used. Tokens that were revoked or have expired are not listed, and the tokens themselves are in " +
		"no list.\n\n" + where + "\n\n" + exitCodes,
	Help: describe(map[string]string{"json": "Write the list as JSON, as GET /api/v1/tokens does."}),
}

// tokenList runs patchsource token list.
func (p *Program) tokenList(ctx context.Context, args []string) int {
	f := &listFlags{}
	if code, done := p.parse(f, listProgram, args); done {
		return code
	}
	err := f.complete(p, true)
	if err == nil {
		err = f.with(ctx, p, offlineOptions{command: "token list"}, func(s *source) error {
			tokens, err := s.Tokens(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if f.JSON {
				return writeTokensJSON(p.Stdout, tokens)
			}
			return writeTokens(p.Stdout, tokens)
		})
	}
	return p.exit(ctx, "token list", err)
}

// writeTokensJSON writes tokens for programs.
func writeTokensJSON(w io.Writer, tokens []wire.Token) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(wire.TokenList{Tokens: append([]wire.Token{}, tokens...)})
}

// writeTokens writes tokens for people: a line for each.
func writeTokens(w io.Writer, tokens []wire.Token) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tNAME\tCREATED\tEXPIRES\tLAST USED\tMADE WITH\tTITLES")
	for _, t := range tokens {
		maker := "-"
		if t.MadeWith != nil {
			maker = printable(*t.MadeWith)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(t.ID), printable(string(t.Kind)),
			cmp.Or(printable(t.Name), "-"), day(&t.Created, "-"), day(t.Expires, "never"), day(t.LastUsed, "never"),
			maker, scope(t))
	}
	return table.Flush()
}

// scope returns the titles that a token may change.
func scope(t wire.Token) string {
	switch {
	case t.Titles != nil && len(t.Titles) == 0:
		return "none that exist"
	case t.Titles != nil:
		return printable(strings.Join(t.Titles, ", "))
	case t.Kind == wire.Administrator || t.Kind == wire.Editor:
		return "all"
	}
	return "its own"
}

// day returns a time as people read it, or another text if there is none.
func day(t *time.Time, none string) string {
	if t == nil || t.IsZero() {
		return none
	}
	return t.Local().Format("2006-01-02 15:04")
}
