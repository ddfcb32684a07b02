package recipes_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"howett.net/plist"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// An example is a version of an application.
type example struct {
	Feed      string `json:"feed"`                // as the feed writes it
	Build     string `json:"build,omitempty"`     // as the feed writes it, if it does
	Inventory string `json:"inventory,omitempty"` // as Jamf Pro's inventory reports it, empty if that is not known
}

// An answerer makes an answer of the shape that one kind of feeds has, which says what an example says.
type answerer func(f recipe.Feed, e example) (releases.Answer, error)

var answerers = map[string]answerer{
	"electron": answerElectron, "github": answerGitHub, "json": answerJSON, "plist": answerPlist,
	"redirect": answerRedirect, "sparkle": answerSparkle, "text": answerText, "xml": answerXML,
}

// answerFor returns an invented answer for a feed: the shortest one from which the feed's own words can find the
// example. Whether they find the version that the inventory reports is what the test is about.
func answerFor(f recipe.Feed, e example) (releases.Answer, error) {
	make, ok := answerers[f.Kind]
	if !ok {
		return releases.Answer{}, fmt.Errorf("there are no invented answers of kind %q", f.Kind)
	}
	a, err := make(f, e)
	a.URL = f.URL
	a.Status = cmp.Or(a.Status, http.StatusOK)
	return a, err
}

// subject returns a text that the expression of a feed matches and that has the example in it.
func subject(expr string, e example) (string, error) {
	if expr == "" {
		return e.Feed, nil
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return "", err
	}
	whole, err := regexp.Compile(expr)
	if err != nil {
		return "", err
	}
	named := fill(tree, map[string]string{"version": e.Feed, "build": e.Build})
	if whole.SubexpIndex("version") < 0 || !whole.MatchString(named) {
		named = ""
	}
	if named != "" && e.Build != "" {
		return named, nil
	}
	// The expression may take the version apart: replace some of its parts by the version.
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	for first := max(0, slices.IndexFunc(parts, hasGroup)); first >= 0; first-- {
		for last := len(parts); last > first; last-- {
			text := fillAll(parts[:first], nil) + e.Feed + fillAll(parts[last:], nil)
			if whole.MatchString(text) {
				return text, nil
			}
		}
	}
	if named != "" {
		return named, nil
	}
	return "", fmt.Errorf("%q does not match a text with %q", expr, e.Feed)
}

func hasGroup(re *syntax.Regexp) bool { return re.MaxCap() > 0 }

func fillAll(parts []*syntax.Regexp, values map[string]string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(fill(p, values))
	}
	return b.String()
}

// fill returns a short text that an expression matches, with these values in its named groups.
func fill(re *syntax.Regexp, values map[string]string) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return pick(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpPlus:
		return fill(re.Sub[0], values)
	case syntax.OpRepeat:
		return strings.Repeat(fill(re.Sub[0], values), re.Min)
	case syntax.OpConcat:
		return fillAll(re.Sub, values)
	case syntax.OpAlternate:
		return fill(re.Sub[0], values)
	case syntax.OpCapture:
		return cmp.Or(values[re.Name], fill(re.Sub[0], values))
	}
	return "" // an assertion, or something that may be missing
}

// pick returns a character of a class, preferably one that is usual in addresses.
func pick(ranges []rune) string {
	for _, c := range "0-./aA" {
		for i := 0; i < len(ranges); i += 2 {
			if ranges[i] <= c && c <= ranges[i+1] {
				return string(c)
			}
		}
	}
	return string(ranges[0])
}

func answerText(f recipe.Feed, e example) (releases.Answer, error) {
	text, err := subject(f.Match, e)
	return releases.Answer{Body: []byte(text)}, err
}

func answerRedirect(f recipe.Feed, e example) (releases.Answer, error) {
	text, err := subject(f.Match, e)
	header := http.Header{}
	switch {
	case f.Header != "":
		header.Set(f.Header, text)
	case strings.HasPrefix(text, "/"):
		header.Set("Location", "https://download.example/files"+text)
	default:
		header.Set("Location", "https://download.example/files/"+text)
	}
	return releases.Answer{Status: http.StatusFound, Header: header}, err
}

func answerElectron(f recipe.Feed, e example) (releases.Answer, error) {
	text, err := subject(f.Match, e)
	return releases.Answer{Body: fmt.Appendf(nil, "version: %q\npath: App-mac.zip\nfiles:\n"+
		"  - url: App-mac.zip\n    size: 1\nreleaseDate: '2026-08-20T10:00:00.000Z'\n", text)}, err
}

func answerGitHub(f recipe.Feed, e example) (releases.Answer, error) {
	type asset struct {
		Name string `json:"name"`
	}
	type release struct {
		Tag    string  `json:"tag_name"`
		Date   string  `json:"published_at"`
		Assets []asset `json:"assets"`
	}
	tag, err := subject(cmp.Or(f.Tag, f.Match), e)
	if err != nil {
		return releases.Answer{}, err
	}
	r := release{Tag: tag, Date: "2026-08-20T10:00:00Z"}
	for _, expr := range []string{f.Asset, f.AssetMatch} {
		if expr == "" {
			continue
		}
		name, err := subject(expr, e)
		if err != nil {
			return releases.Answer{}, err
		}
		r.Assets = append(r.Assets, asset{name})
	}
	var body []byte
	if f.Source == "releases" {
		body, err = json.Marshal([]release{r})
	} else {
		body, err = json.Marshal(r)
	}
	return releases.Answer{Body: body}, err
}

func answerSparkle(f recipe.Feed, e example) (releases.Answer, error) {
	short, address := e.Feed, "https://download.example/App.zip"
	var err error
	if f.From == "url" {
		address, err = subject(f.Match, e)
	} else {
		short, err = subject(f.Match, e)
	}
	var b bytes.Buffer
	b.WriteString(`<rss xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle"><channel><item>`)
	element := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "<%s>", name)
			_ = xml.EscapeText(&b, []byte(text)) // a bytes.Buffer does not fail
			fmt.Fprintf(&b, "</%s>", name)
		}
	}
	element("pubDate", "Thu, 20 Aug 2026 10:00:00 +0000")
	element("sparkle:version", cmp.Or(e.Build, short))
	element("sparkle:shortVersionString", short)
	element("sparkle:channel", f.Channel)
	b.WriteString(`<enclosure type="application/octet-stream" length="1" url="`)
	_ = xml.EscapeText(&b, []byte(address))
	b.WriteString(`"/></item></channel></rss>`)
	return releases.Answer{Body: b.Bytes()}, err
}

func answerJSON(f recipe.Feed, e example) (releases.Answer, error) {
	tree, err := documentFor(f, e)
	if err != nil {
		return releases.Answer{}, err
	}
	body, err := json.Marshal(tree)
	return releases.Answer{Body: body}, err
}

func answerPlist(f recipe.Feed, e example) (releases.Answer, error) {
	tree, err := documentFor(f, e)
	if err != nil {
		return releases.Answer{}, err
	}
	body, err := plist.Marshal(tree, plist.XMLFormat)
	return releases.Answer{Body: body}, err
}
