package guides

import (
	"fmt"
	"html/template"
	"io/fs"
	"strings"
	"sync"
)

// A guide is a page that was written in Markdown.
type guide struct {
	listing
	Source   []byte
	Body     template.HTML // without the heading of the whole page
	Headings []*heading
	sections []section
}

// A listing is what the start page says about a guide. Its name is that of its folder.
type listing struct{ Name, Label, Title, Summary string }

// listings are the guides in the order in which they are listed. The titles are the headings of the guides.
var listings = [...]listing{
	{"server", "Server manual", "", "Start and configure the server, add it to Jamf Pro, and use the page, the API, " +
		"tokens, webhooks and backups."},
	{"deploy", "Production", "", "Containers, systemd, reverse proxies, several servers, upgrades and backups that " +
		"run by themselves."},
	{"publish", "Publishing", "", "Publish new versions from scripts, pipelines and AutoPkg."},
	{"migrate", "Migration", "", "Move titles here from Title Editor, Patch Server, Kinobi and others."},
	{"recipes", "Recipes", "", "Titles that follow their vendors’ releases, and how recipes are written."},
	{"patchrecipe", "Definitions in git", "", "Keep definitions in a repository and update them in a pipeline, with " +
		"patchrecipe."},
}

// A library is everything that is served: the guides, the recipes and the files to which the guides link.
type library struct {
	guides  map[string]*guide  // by name
	recipes map[string]*recipe // by id
	files   map[string][]byte  // by path, such as deploy/compose.yaml
	order   []*guide
	byName  []*recipe // in the order of their names
	calls   func() ([]call, error)
}

// load reads and renders all guides.
func load(source fs.FS) (*library, error) {
	lib := &library{
		guides:  map[string]*guide{},
		recipes: map[string]*recipe{},
		files:   map[string][]byte{},
		calls:   sync.OnceValues(loadCalls), // the contract is large
	}
	err := fs.WalkDir(source, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		lib.files[path], err = fs.ReadFile(source, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range listings {
		path := l.Name + "/README.md"
		text, ok := lib.files[path]
		if !ok {
			return nil, fmt.Errorf("there is no guide at %s", path)
		}
		delete(lib.files, path) // it is served under the name of the guide
		g := &guide{listing: l, Source: text}
		lib.guides[l.Name] = g
		lib.order = append(lib.order, g)
	}
	for path := range lib.files {
		if strings.HasSuffix(path, "/README.md") {
			return nil, fmt.Errorf("no listing describes the guide at %s", path)
		}
	}
	if err := lib.loadRecipes(); err != nil {
		return nil, err
	}
	for _, g := range lib.order {
		if err := lib.render(g); err != nil {
			return nil, fmt.Errorf("%s: %w", g.Name, err)
		}
	}
	return lib, nil
}
