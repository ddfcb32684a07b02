// Package cli is what the command lines of the examples have in common.
package cli

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/alecthomas/kong"
)

// ErrAnswered says that the arguments asked for an answer, such as help, and had
// it: the program is done.
var ErrAnswered = errors.New("answered")

// A Program is what [Parse] knows of a program beside its flags.
type Program struct {
	Name, Description string
	Mistakes          Mistakes
}

// Parse reads arguments into flags, a struct with kong's tags. It never ends the
// process: after --help, which goes to stdout, the error is ErrAnswered.
func Parse(flags any, p Program, args []string, stdout io.Writer, options ...kong.Option) (err error) {
	parser, err := kong.New(flags, append([]kong.Option{
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { panic(ErrAnswered) }), // kong goes on, if this returns
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
	}, options...)...)
	if err != nil {
		return err
	}
	defer func() {
		if v := recover(); v == ErrAnswered {
			err = ErrAnswered
		} else if v != nil {
			panic(v)
		}
	}()
	if _, err = parser.Parse(args); err == nil {
		return nil
	}
	if name, ok := unknownFlag(err); ok {
		return p.Mistakes.UnknownFlag(parser.Model, name)
	}
	return err
}

// DefinitionFiles returns the names of the files that may hold a patch definition
// (*.json), and leaves out what is hidden and what macOS puts beside them.
func DefinitionFiles(files fs.FS) (names []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case name != "." && (strings.HasPrefix(base, ".") || base == "__MACOSX"):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && strings.EqualFold(path.Ext(name), ".json"):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}
