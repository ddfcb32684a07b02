package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's Go code is that of Example, which is compiled and tested.
func TestReadme(t *testing.T) {
	readme := readFile(t, "../../README.md")
	example := regexp.MustCompile(`(?m)^\t`).ReplaceAllString(readFile(t, "example_test.go"), "")
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1)
	if len(snippets) == 0 {
		t.Fatal("the README has no Go code")
	}
	for _, s := range snippets {
		if !strings.Contains(example, s[1]) {
			t.Errorf("this code is not part of Example:\n%s", s[1])
		}
	}
	if n := strings.Count(readme, "\n"); n > 150 {
		t.Errorf("the README has %d lines, want at most 150: its details belong in examples/server/README.md", n)
	}
}

// Every relative link of a Markdown file leads to a file, and to a heading if it has a fragment.
func TestMarkdownLinks(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.md", ".github/*.md", "examples/*.md", "examples/*/*.md", "examples/*/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 5 {
		t.Fatalf("found %v, want more files", files)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range files {
		for _, l := range link.FindAllStringSubmatch(readFile(t, file), -1) {
			path, fragment, _ := strings.Cut(l[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", file, l[1], err)
			} else if fragment != "" && !hasHeading(readFile(t, target), fragment) {
				t.Errorf("%s links to %s, which has no such heading", file, l[1])
			}
		}
	}
}

// hasHeading reports whether a Markdown text has a heading with the fragment that GitHub derives from it.
func hasHeading(text, fragment string) bool {
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), "")
		if strings.ReplaceAll(name, " ", "-") == fragment {
			return true
		}
	}
	return false
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
