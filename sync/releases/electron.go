package releases

import (
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// maxYAML is the maximum size of a YAML document in bytes, and maxTokens that of its number of tokens. The file of
	// electron-updater has about 1 KiB, and more only if it has release notes. The parser takes quadratic time for the
	// keys of a mapping.
	maxYAML   = 256 << 10
	maxTokens = 10_000
)

// electronKind reads the file latest-mac.yml of electron-updater, which says one version. Versions are semantic ones:
// one with a hyphen is a pre-release.
type electronKind struct{}

func (electronKind) Request(f recipe.Feed, _ bool) (Request, error) {
	if f.Channel != "" {
		return Request{}, invalid("/feed/channel", "must be empty: the address says the channel, as in beta-mac.yml")
	}
	return feedRequest(f)
}

func (electronKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	info, err := readUpdateInfo(a.Body)
	if err != nil {
		return nil, nil, err
	}
	given := info.version
	if len(given) > 1 && (given[0] == 'v' || given[0] == 'V') && '0' <= given[1] && given[1] <= '9' {
		given = given[1:]
	}
	file, foreign := info.file()
	switch {
	case given == "":
		return nil, nil, unreadable("the YAML has no version")
	case foreign:
		return nil, nil, unreadable("the YAML lists files for other systems only: the file for macOS is latest-mac.yml")
	}
	version, build, ok, err := versionOf(f, given, nil)
	switch {
	case err != nil:
		return nil, nil, err
	case !ok && f.Match == "":
		return nil, nil, unreadable("the version %s cannot be used%s", quote(beginningOf(given)), missingValue(f))
	case !ok:
		return nil, nil, unreadable("match finds no version in %s", quote(beginningOf(given)))
	}
	number, _, _ := strings.Cut(given, "+")
	r := recipe.Release{
		Version: version, Build: build, MinOS: darwinSystem(info.minimumSystem), Date: parseDate(info.date),
		Prerelease: strings.Contains(number, "-"), URL: resolve(a.URL, f.URL, file),
	}
	if r.Rollout, err = info.rollout(); err != nil {
		return nil, nil, err
	}
	return []recipe.Release{r}, nil, nil
}

// rollout returns the fraction of users to whom the version is offered.
func (info *updateInfo) rollout() (float64, error) {
	if info.percentage == "" {
		return 1, nil
	}
	percentage, err := strconv.ParseFloat(info.percentage, 64)
	if err != nil {
		return 0, unreadable("the YAML has the stagingPercentage %s, which is no number",
			quote(beginningOf(info.percentage)))
	}
	return percentage / 100, nil
}

// resolve returns the absolute address of a file that an answer names.
func resolve(answered, asked, file string) string {
	if answered == "" {
		answered = asked
	}
	base, err := url.Parse(answered)
	if err != nil || file == "" {
		return ""
	}
	to, err := base.Parse(file)
	if err != nil {
		return ""
	}
	to.User = nil
	return to.String()
}

// darwinSystem returns the version of macOS of a version of its kernel, Darwin: 23.1.0 is macOS 14. Some vendors write
// the version of macOS instead, which is certain from 10.9 to 10.16 only. The numbers 11 to 15 can be either: Darwin 11
// to 15 is OS X 10.7 to 10.11, for which there is no current Electron. It returns nothing for them and for what is no
// version.
func darwinSystem(version string) string {
	version = strings.TrimSpace(version)
	if !system.MatchString(version) {
		return ""
	}
	first, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	switch major := number(first); {
	case major == 10 && number(minor) >= 9:
		return version
	case major < 16:
		return ""
	case major < 20:
		return "10." + strconv.Itoa(major-4)
	case major < 25:
		return strconv.Itoa(major-9) + ".0"
	default: // since macOS 26, the numbers differ by one
		return strconv.Itoa(major+1) + ".0"
	}
}

// updateInfo is what is read of a file of electron-updater.
type updateInfo struct {
	version, date, minimumSystem, percentage, path string
	urls                                           []string
}

// file returns the installer for macOS, a disk image if there is one. foreign says that all files are for other
// systems.
func (info *updateInfo) file() (file string, foreign bool) {
	for _, address := range append(info.urls, info.path) {
		switch {
		case address == "":
		case foreignFile(address):
			foreign = true
		case file == "", path.Ext(address) == ".dmg" && path.Ext(file) != ".dmg":
			file = address
		}
	}
	return file, foreign && file == ""
}

// readUpdateInfo reads a file of electron-updater. All values are read as the texts that they are written as: a version
// such as 1.10 is not a number, and a date may be written with or without quotes.
func readUpdateInfo(body []byte) (*updateInfo, error) {
	root, err := readYAML(body)
	if err != nil {
		return nil, err
	}
	entries, ok := mapping(root)
	if !ok {
		return nil, unreadable("the answer is not the YAML of electron-updater%s", beginning(body))
	}
	info := &updateInfo{}
	for _, entry := range entries {
		switch entry.Key.GetToken().Value {
		case "version":
			info.version = scalar(entry.Value)
		case "releaseDate":
			info.date = scalar(entry.Value)
		case "minimumSystemVersion":
			info.minimumSystem = scalar(entry.Value)
		case "stagingPercentage":
			info.percentage = scalar(entry.Value)
		case "path":
			info.path = scalar(entry.Value)
		case "files":
			info.urls = fileURLs(entry.Value)
		}
	}
	return info, nil
}

// fileURLs returns the addresses in a list of files.
func fileURLs(files ast.Node) (urls []string) {
	list, ok := files.(*ast.SequenceNode)
	if !ok {
		return nil
	}
	for _, file := range list.Values {
		entries, _ := mapping(file)
		for _, entry := range entries {
			if entry.Key.GetToken().Value == "url" {
				urls = append(urls, scalar(entry.Value))
			}
		}
	}
	return urls
}

// mapping returns the entries of a mapping.
func mapping(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode: // a mapping with one entry
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// scalar returns the text of a scalar as it is written, or nothing for a collection.
func scalar(node ast.Node) string {
	switch n := node.(type) {
	case *ast.TagNode: // such as !!timestamp
		return scalar(n.Value)
	case *ast.StringNode:
		return strings.TrimSpace(n.Value)
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		return strings.TrimSpace(n.GetToken().Value)
	}
	return ""
}

// readYAML returns the root of the first document in a text. Anchors and aliases are refused, and size and depth are
// bounded. The error is an ErrUnreadable that names the line.
func readYAML(body []byte) (ast.Node, error) {
	if len(body) > maxYAML {
		return nil, unreadable("the YAML has more than %d KiB", maxYAML>>10)
	}
	text := strings.TrimPrefix(string(body), "\ufeff")
	if strings.HasPrefix(strings.TrimSpace(text), "<") {
		return nil, unreadable("the answer is not YAML%s", beginning(body))
	}
	tokens := lexer.Tokenize(text)
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		first, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		return nil, unreadable("the answer is not YAML: %s", beginningOf(first))
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body, nil
		}
	}
	return nil, unreadable("the YAML is empty")
}

// checkTokens checks the limits of a document before it is parsed.
func checkTokens(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return unreadable("the YAML has more than %d tokens", maxTokens)
	}
	var columns []int // of the block collections around a token
	flow, tags := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return unreadable("the YAML has an anchor or an alias in line %d, which are not supported", t.Position.Line)
		case token.TagType:
			tags++
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			column := t.Position.Column
			if t.Type == token.MappingValueType && t.Prev != nil {
				column = t.Prev.Position.Column
			}
			for len(columns) > 0 && columns[len(columns)-1] >= column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, column)
		}
		if flow+len(columns) > maxDepth || tags > maxDepth {
			return unreadable("the YAML has more than %d levels in line %d", maxDepth, t.Position.Line)
		}
	}
	return nil
}
