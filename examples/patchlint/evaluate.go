package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

// An evaluation is the result of a definition for computers, as it is written in JSON.
type evaluation struct {
	File      string            `json:"file"`
	Title     string            `json:"title"`
	Computers []wire.Evaluation `json:"computers"`
}

// evaluate writes what Jamf Pro would report for the computers in a file about the definitions in files, and returns
// the exit code.
func evaluate(f *flags, files []file, stdout, stderr io.Writer) (code int) {
	if f.Format != "text" && f.Format != "json" {
		fmt.Fprintln(stderr, "patchlint: --computers writes --format text or json")
		return 2
	}
	computers, err := readComputers(f.Computers)
	if err != nil {
		fmt.Fprintf(stderr, "patchlint: %s: %v\n", f.Computers, err)
		return 2
	}
	all := []evaluation{}
	for _, file := range files {
		e, err := evaluateFile(file, computers)
		if err != nil {
			fmt.Fprintf(stderr, "patchlint: %s: %v\n", file.name, err)
			code = 2
			continue
		}
		all = append(all, e)
	}
	if err := writeEvaluations(stdout, f.Format, all); err != nil {
		fmt.Fprintf(stderr, "patchlint: %v\n", err)
		return 2
	}
	return code
}

// evaluateFile evaluates computers for the definition in one file.
func evaluateFile(f file, computers []patch.Computer) (evaluation, error) {
	data, err := f.read()
	if err != nil {
		return evaluation{}, err
	}
	def, err := patch.Parse(data, nil)
	if err != nil {
		return evaluation{}, err
	}
	results, err := patch.Evaluate(def, withKeys(computers, def))
	if err != nil {
		return evaluation{}, err
	}
	return evaluation{f.name, def.ID, wire.Evaluations(results).Computers}, nil
}

// withKeys returns computers in which the extension attributes of a definition have their keys. An inventory export
// has their display names.
func withKeys(computers []patch.Computer, def *patch.Definition) []patch.Computer {
	if len(def.ExtensionAttributes) == 0 {
		return computers
	}
	computers = slices.Clone(computers)
	for i := range computers {
		named := computers[i].ExtensionAttributes
		values := maps.Clone(named)
		for _, a := range def.ExtensionAttributes {
			_, hasKey := named[a.Key]
			if value, ok := named[a.DisplayName]; ok && !hasKey {
				values[a.Key] = value
			}
		}
		computers[i].ExtensionAttributes = values
	}
	return computers
}

// writeEvaluations writes evaluations as text or JSON.
func writeEvaluations(w io.Writer, format string, all []evaluation) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for _, e := range all {
		for _, c := range e.Computers {
			if _, err := fmt.Fprintf(w, "%s: %s: %s\n", printable(e.File), printable(c.Name), status(c)); err != nil {
				return err
			}
			for _, s := range c.Why {
				if _, err := fmt.Fprintf(w, "    %s\n", printable(s)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// status returns the result for a computer in words.
func status(c wire.Evaluation) string {
	var s string
	switch {
	case !c.Installed:
		s = "not installed"
	case c.Version == nil:
		s = "unknown version"
	default:
		s = "version " + printable(*c.Version)
		if c.Latest {
			s += " (latest)"
		}
	}
	if c.Eligible {
		return s + ", eligible for the newest"
	}
	return s + ", not eligible for the newest"
}

// printable replaces control characters, so that each text stays on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
