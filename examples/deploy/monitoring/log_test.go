package monitoring_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// builtin are the fields that no call in the sources names: those of package log/slog, and those of imports, which are
// constants.
var builtin = []string{"time", "level", "msg", "updated", "unchanged"}

// The table of the log's fields has each field that the sources of the server log, and no other.
func TestLogFieldsAreDocumented(t *testing.T) {
	found := map[string]token.Position{}
	for _, dir := range serverPackages(t) {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				addFields(t, file, found)
			}
		}
	}
	if len(found) < 50 || found["request_id"].Filename == "" {
		t.Fatalf("only these fields were found: %v", found)
	}
	documented := map[string]bool{}
	for _, row := range rows(t, "Log") {
		for _, name := range names(row[0]) {
			documented[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !documented[name] {
			t.Errorf("%v: the field %s is not in the table", found[name], name)
		}
	}
	for name := range documented {
		if found[name].Filename == "" && !slices.Contains(builtin, name) {
			t.Errorf("nothing logs the field %s of the table", name)
		}
	}
}

// serverPackages returns the folders of the packages of this module that the server consists of.
func serverPackages(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}",
		"github.com/patchsource/patchsource/examples/server").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// fieldsFrom are the calls that log, and the argument at which names and values begin, in turn.
var fieldsFrom = map[string]int{
	"Debug": 1, "Info": 1, "Warn": 1, "Error": 1,
	"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2,
	"warn": 0, // of a digest
}

// field matches the name of a field.
var field = regexp.MustCompile("^[a-z]+(_[a-z]+)*$")

// addFields adds the names of the fields that a file logs.
func addFields(t *testing.T, file string, found map[string]token.Position) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(args []ast.Expr) {
		for i := 0; i < len(args); i += 2 {
			if l, ok := args[i].(*ast.BasicLit); ok && l.Kind == token.STRING {
				if name, _ := strconv.Unquote(l.Value); field.MatchString(name) {
					found[name] = set.Position(l.Pos())
				}
			}
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			add(n.Args[min(fieldsStart(n), len(n.Args)):])
		case *ast.CompositeLit: // fields that are logged later
			if a, ok := n.Type.(*ast.ArrayType); ok && a.Len == nil && isName(a.Elt, "any") && len(n.Elts)%2 == 0 {
				add(n.Elts)
			}
		}
		return true
	})
}

// fieldsStart returns the argument of a call at which names and values begin; the number of arguments if it logs
// nothing.
func fieldsStart(c *ast.CallExpr) int {
	if isName(c.Fun, "append") && isFields(c.Args[0]) {
		return 1
	}
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || isName(s.X, "http") || isName(s.X, "errors") {
		return len(c.Args)
	}
	start, logs := fieldsFrom[s.Sel.Name]
	switch {
	case isName(s.X, "slog") && len(c.Args) == 2 && s.Sel.Name != "New":
		return 0 // such as slog.String
	case s.Sel.Name == "With" && strings.HasSuffix(text(s.X), "log"):
		return 0
	case s.Sel.Name == "logChange":
		return 2 + len(c.Args)%2 // there is a principal, or not: the rest are pairs
	case !logs || c.Ellipsis.IsValid():
		return len(c.Args)
	}
	return start
}

// isFields reports whether an expression is a slice of names and values.
func isFields(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		return strings.HasSuffix(text(e.Fun), "counts")
	}
	return isName(e, "attrs")
}

func isName(e ast.Expr, name string) bool { return text(e) == name }

// text returns the last name of an expression.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// rows returns the cells of the tables in a section of the documentation, without their headings.
func rows(t *testing.T, section string) (all [][]string) {
	t.Helper()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("there is no section %q", section)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "| `") {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			all = append(all, cells)
		}
	}
	if len(all) == 0 {
		t.Fatalf("the section %q has no table", section)
	}
	return all
}

var code = regexp.MustCompile("`([^`]+)`")

// names returns the names in a cell.
func names(cell string) (all []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}
