package guides

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
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

// A listing is what the start page says about a guide.
type listing struct {
	Name                  string // the last element of Folder
	Label, Title, Summary string
	Folder                string // of the guide, in the files that are served
}

// listings are the guides in the order in which they are listed. The titles are the headings of the guides.
var listings = [...]listing{
	{Label: "Server manual", Folder: "server", Summary: "Start and configure the server, add it to Jamf Pro, and use " +
		"the page, the API, tokens, webhooks and backups."},
	{Label: "Production", Folder: "deploy", Summary: "Packages, containers, reverse proxies, several servers, " +
		"upgrades and backups that run by themselves."},
	{Label: "Monitoring", Folder: "deploy/monitoring", Summary: "Alerts and what to do about them, a dashboard, " +
		"metrics, the fields of the log, and the audit log."},
	{Label: "Publishing", Folder: "publish", Summary: "Publish new versions from scripts, pipelines and AutoPkg."},
	{Label: "Migration", Folder: "migrate", Summary: "Move titles here from Title Editor, Patch Server, Kinobi and " +
		"others."},
	{Label: "Recipes", Folder: "recipes", Summary: "Titles that follow their vendors’ releases, and how recipes are " +
		"written."},
	{Label: "Definitions in git", Folder: "patchrecipe", Summary: "Keep definitions in a repository and update them " +
		"in a pipeline, with patchrecipe."},
}

// A library is everything that is served: the guides, the recipes and the files to which the guides link.
type library struct {
	guides  map[string]*guide  // by name
	folders map[string]string  // the names of the guides, by folder
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
		folders: map[string]string{},
		recipes: map[string]*recipe{},
		files:   map[string][]byte{},
		calls:   sync.OnceValues(loadCalls), // the contract is large
	}
	err := fs.WalkDir(source, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		lib.files[file], err = fs.ReadFile(source, file)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range listings {
		l.Name = path.Base(l.Folder)
		file := l.Folder + "/README.md"
		text, ok := lib.files[file]
		if !ok {
			return nil, fmt.Errorf("there is no guide at %s", file)
		}
		delete(lib.files, file) // it is served under the name of the guide
		g := &guide{listing: l, Source: text}
		lib.guides[l.Name] = g
		lib.folders[l.Folder] = l.Name
		lib.order = append(lib.order, g)
	}
	for file := range lib.files {
		if strings.HasSuffix(file, "/README.md") {
			return nil, fmt.Errorf("no listing describes the guide at %s", file)
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
