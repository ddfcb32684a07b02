// Package cli contains what the command lines of the examples have in common.
package cli

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/alecthomas/kong"
)

// ErrAnswered is returned for arguments that asked for output, such as help, which was written. The program should
// exit.
var ErrAnswered = errors.New("answered")

// A Program describes a program to [Parse].
type Program struct {
	Name, Description string
	// Help describes the flags and the positional arguments, by name. In the text, ${default} is the default of the
	// flag.
	Help map[string]string
	// Mistakes explains flags that the program does not have.
	Mistakes Mistakes
}

// Parse parses arguments into flags, a pointer to a struct with kong's tags. It never ends the process: after --help,
// whose output is written to stdout, the error is ErrAnswered.
func Parse(flags any, p Program, args []string, stdout io.Writer, options ...kong.Option) (err error) {
	parser, err := kong.New(flags, append([]kong.Option{
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { panic(ErrAnswered) }), // kong continues if this returns
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
	}, options...)...)
	if err != nil {
		return err
	}
	p.describe(parser.Model)
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

// describe sets the help of the flags and of the positional arguments.
func (p Program) describe(app *kong.Application) {
	values := app.Positional
	for _, flag := range app.Flags {
		values = append(values, flag.Value)
	}
	for _, v := range values {
		if text, ok := p.Help[v.Name]; ok {
			v.Help = strings.ReplaceAll(text, "${default}", v.Default)
		}
	}
}

// DefinitionFiles returns the names of the files that may contain a patch definition (*.json). It omits hidden files
// and the files that macOS adds to archives.
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
