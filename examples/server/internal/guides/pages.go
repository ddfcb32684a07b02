package guides

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A page is the data of every page. Data is that of the page itself.
type page struct {
	Title   string
	Current string // the name of the guide; empty for other pages
	Query   string
	// Root is the address of the server, Docs that of the folder of the guides, and Start that of the start page,
	// relative to the page.
	Root, Docs, Start string
	Guides            []*guide
	Data              any
}

// complete sets what all pages have.
func (v *visit) complete(p *page) {
	// A path has one more slash for each folder that the page is in. The escaped form has those of the address.
	depth := strings.Count(strings.TrimPrefix(v.r.URL.EscapedPath(), "/docs"), "/")
	p.Guides = v.lib.order
	p.Root = cmp.Or(strings.Repeat("../", depth), "./")
	p.Start = p.Root + "docs"
	p.Docs = cmp.Or(strings.Repeat("../", max(depth-1, 0)), "./")
	if depth == 0 {
		p.Docs = "docs/"
	}
}

// A startPage has a line about each guide.
type startPage struct{ Recipes int }

func (v *visit) start() {
	v.show(http.StatusOK, "start", page{Title: "Documentation", Data: startPage{len(v.lib.recipes)}})
}

// A guidePage is a guide, with the guides before and after it. That of the recipes has the list of them.
type guidePage struct {
	*guide
	Contents       []*heading
	Previous, Next *guide
	Recipes        *recipeList
}

// A recipeList is a list of recipes that match a query.
type recipeList struct {
	Query string
	Found []*recipe
	Total int
}

// recipesID is the id of the section with all recipes.
const recipesID = "all-recipes"

func (v *visit) guidePage(g *guide) guidePage {
	p := guidePage{guide: g, Contents: g.Headings}
	i := slices.Index(v.lib.order, g)
	if i > 0 {
		p.Previous = v.lib.order[i-1]
	}
	if i+1 < len(v.lib.order) {
		p.Next = v.lib.order[i+1]
	}
	if g.Name == "recipes" {
		query := v.query()
		p.Recipes = &recipeList{query, v.lib.find(queryWords(query)), len(v.lib.recipes)}
		p.Contents = append(slices.Clip(p.Contents), &heading{ID: recipesID, Title: "All recipes"})
	}
	return p
}

// query returns what the visitor searches for.
func (v *visit) query() string {
	query := v.r.URL.Query().Get("q")
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	return strings.TrimSpace(query)
}

// A recipePage is a recipe, with the command that makes a title from it.
type recipePage struct {
	*recipe
	Command string
}

func (v *visit) recipe(r *recipe) {
	site := v.site()
	command := fmt.Sprintf("curl -sf %[1]s/docs/recipes/%[2]s.json |\n  curl -H \"Authorization: Bearer $TOKEN\" "+
		"-H 'Content-Type: application/json' \\\n  --data-binary @- %[1]s/api/v1/recipes", site, r.ID)
	v.show(http.StatusOK, "recipe", page{Title: r.Name, Current: "recipes", Data: recipePage{r, command}})
}

// exampleSite is the URL of the server in commands if no better one is known.
const exampleSite = "https://patches.example.com"

// site returns the URL of the server. The host that a client asks for may have characters that mean something to
// a shell; such a host is in no command.
func (v *visit) site() string {
	special := func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune("-._:[]", r)
	}
	switch host := v.r.Host; {
	case v.h.site != "":
		return v.h.site
	case host == "" || strings.ContainsFunc(host, special):
		return exampleSite
	case v.r.TLS != nil:
		return "https://" + host
	default:
		return "http://" + host
	}
}

// A searchPage is what a query has found.
type searchPage struct {
	Sections []result
	Recipes  []*recipe
	Calls    []call
}

// Count returns the number of results.
func (p searchPage) Count() int { return len(p.Sections) + len(p.Recipes) + len(p.Calls) }

func (v *visit) search() {
	query := v.query()
	words := queryWords(query)
	var found searchPage
	if len(words) > 0 {
		calls, err := v.lib.findCalls(words)
		if err != nil {
			v.h.log.Error("searching the API reference failed", "error", err)
		}
		recipes := v.lib.find(words)
		found = searchPage{v.lib.search(words), recipes[:min(len(recipes), maxFound)], calls}
	}
	v.show(http.StatusOK, "search", page{Title: "Search", Query: query, Data: found})
}

func (v *visit) missing() {
	v.show(http.StatusNotFound, "missing", page{Title: "This page does not exist"})
}

// helps are the sections about the pages of the server, by the names of these; see webui.Options.
var helps = map[string]string{
	"audit":         "server#operation",
	"backup":        "server#backup-restore-and-undo",
	"contributors":  "server#community-publishing",
	"deliveries":    "server#webhooks",
	"drafts":        "server#create-titles-and-add-versions",
	"edit":          "server#create-titles-and-add-versions",
	"editor":        "server#the-web-page",
	"editversion":   "server#the-web-page",
	"feeds":         "server#follow-release-feeds",
	"job":           "server#backup-restore-and-undo",
	"jobs":          "server#backup-restore-and-undo",
	"lost":          "server#community-publishing",
	"new":           "server#the-web-page",
	"newfeed":       "recipes#correct-a-recipe",
	"overview":      "server#the-web-page",
	"proposals":     "server#follow-release-feeds",
	"publish":       "publish",
	"revision":      "server#backup-restore-and-undo",
	"revoke":        "server#tokens",
	"signin":        "server#tokens",
	"sources":       "server#follow-other-sources",
	"title":         "server#the-web-page",
	"titles":        "server#the-web-page",
	"token":         "server#tokens",
	"tokens":        "server#tokens",
	"try":           "server#check-definitions-before-publishing",
	"upload":        "server#create-titles-and-add-versions",
	"version":       "server#create-titles-and-add-versions",
	"watch":         "server#follow-release-feeds",
	"webhooks":      "server#webhooks",
	"deletewebhook": "server#webhooks",
}

// Help returns the path of the documentation about a page of the server, or the empty string if there is none.
func (h *Handler) Help(page string) string {
	if section := helps[page]; section != "" {
		return "docs/" + section
	}
	return ""
}
