package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// recipeSuffix is the end of the name of a recipe whose definition is beside it.
const recipeSuffix = ".recipe.json"

// A file is a recipe to check.
type file struct {
	path        string
	definitions string // folder of definitions; empty: beside the recipe, or nowhere
}

// find returns the recipes that paths name.
func find(paths []string, definitions string) (files []file, err error) {
	if definitions != "" {
		if info, err := os.Stat(definitions); err != nil {
			return nil, fmt.Errorf("--definitions: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("--definitions %s: it must be a folder", definitions)
		}
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		names := []string{p}
		if info.IsDir() {
			if names, err = findIn(p); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			f := file{path: name, definitions: definitions}
			if definitions == "" && isRecipe(name) {
				f.definitions = filepath.Dir(name)
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// findIn returns the recipes in a folder and below: the files *.recipe.json, or all *.json if there are none of these.
func findIn(dir string) (recipes []string, err error) {
	names, err := cli.DefinitionFiles(os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: there is no recipe in it", dir)
	}
	if slices.ContainsFunc(names, isRecipe) {
		names = slices.DeleteFunc(names, func(name string) bool { return !isRecipe(name) })
	}
	for _, name := range names {
		recipes = append(recipes, filepath.Join(dir, filepath.FromSlash(name)))
	}
	return recipes, nil
}

func isRecipe(name string) bool { return strings.HasSuffix(strings.ToLower(name), recipeSuffix) }

// read returns the contents of a recipe.
func (f file) read() ([]byte, error) { return readFile(f.path, recipe.MaxBytes) }

// readFile returns the contents of a file, or the first limit+1 bytes of a longer one.
func readFile(name string, limit int64) ([]byte, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// A target is the definition of a recipe.
type target struct {
	path string            // empty if there is none and apply would not know where to write it
	def  *patch.Definition // nil if the file does not exist
	text []byte
}

// name returns the path for reports.
func (t *target) name() string { return filepath.ToSlash(t.path) }

// target reads the definition of a recipe. The error is a *definitionError if its text is invalid, and errDefinition
// if the recipe cannot have it.
func (f file) target(r *recipe.Recipe) (*target, error) {
	if f.definitions == "" {
		return &target{}, nil
	}
	t := &target{path: filepath.Join(f.definitions, r.TitleID()+".json")}
	if sameFile(t.path, f.path) {
		return nil, fmt.Errorf("%w: %s is the recipe itself: name recipes ID.recipe.json, or keep them in another "+
			"folder than the definitions", errDefinition, t.name())
	}
	text, err := readFile(t.path, patch.DefaultMaxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, nil
	case err != nil:
		return nil, err
	}
	t.text = text
	t.def, err = patch.Parse(text, nil)
	if err != nil {
		return nil, &definitionError{name: t.name(), text: text, err: err}
	}
	if !strings.EqualFold(t.def.ID, r.TitleID()) {
		return nil, &definitionError{name: t.name(), text: text, err: &patch.ValidationError{
			Failures: []patch.Failure{{Path: "/id", Message: fmt.Sprintf("is %q, and the recipe has the id %q",
				t.def.ID, r.TitleID())}},
		}}
	}
	return t, nil
}

// errDefinition means that the definition of a recipe cannot be used.
var errDefinition = errors.New("the definition cannot be used")

// A definitionError means that the text of a definition is invalid.
type definitionError struct {
	name string // path of the file
	text []byte
	err  error
}

// Error implements error.
func (e *definitionError) Error() string { return fmt.Sprintf("%s: %v", e.name, e.err) }

// Unwrap returns the reason.
func (e *definitionError) Unwrap() error { return e.err }

// result returns the findings about the file of the definition.
func (e *definitionError) result() report.Result {
	r := report.Result{File: e.name}
	r.AddInvalid(e.text, e.err)
	for i := range r.Findings {
		r.Findings[i].Code = codeDefinition
	}
	return r
}

// sameFile reports whether two paths lead to the same file, which may not exist.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
