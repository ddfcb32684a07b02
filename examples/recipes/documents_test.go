package recipes_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// documentFor returns a document of objects and lists in which the paths of a feed find an example.
func documentFor(f recipe.Feed, e example) (any, error) {
	text, err := subject(f.Match, e)
	if err != nil {
		return nil, err
	}
	values := map[string]string{
		f.Version: text,
		f.Build:   e.Build,
		f.Date:    "2026-08-20T10:00:00Z",
		f.MinOS:   "12.0",
	}
	if len(f.Fields) > 0 {
		delete(values, f.Version)
		if err := setFields(values, f, e.Feed); err != nil {
			return nil, err
		}
	}
	delete(values, "")
	var tree any
	for path, value := range values {
		if value != "" {
			tree = set(tree, steps(f.Items+strings.TrimPrefix(path, "$")), value)
		}
	}
	if f.Rollout != "" {
		tree = set(tree, steps(f.Items+strings.TrimPrefix(f.Rollout, "$")), 1)
	}
	return tree, nil
}

// quotedName matches the name of a value in a form that regexp.QuoteMeta has quoted.
var quotedName = regexp.MustCompile(`\\\{(\w+)\\\}`)

// setFields sets the values of the fields of which a version consists.
func setFields(values map[string]string, f recipe.Feed, version string) error {
	form := regexp.MustCompile("^" + quotedName.ReplaceAllString(regexp.QuoteMeta(f.As), "(?P<$1>[^.]+)") + "$")
	match := form.FindStringSubmatch(version)
	if match == nil {
		return fmt.Errorf("version %q does not have the form %q", version, f.As)
	}
	for field, path := range f.Fields {
		if i := form.SubexpIndex(field); i > 0 {
			values[path] = match[i]
		}
	}
	return nil
}

// A step is a segment of a path: a member, an index, or something that chooses members or indices.
type step struct {
	member *string
	index  int
	equal  [2]string // a member and its value, of an object in a list
}

// segment matches a segment of the paths that the recipes have.
var segment = regexp.MustCompile(`^(?:\.{1,2}([\w-]+)|\[['"]([^'"]*)['"]\]|\[(\d+)\]|\[\*\]|\.\*|` +
	`(?:\.\.)?\[\?@(?:\.([\w-]+)|\[['"]([^'"]+)['"]\])(?:\s*==\s*['"]?([^'"\]]*)['"]?)?\]` +
	`(?:\[['"]([^'"]+)['"]\])?)`)

// steps returns the segments of a path after "$". It panics if it does not know one.
func steps(path string) (all []step) {
	for path = strings.TrimPrefix(path, "$"); path != ""; {
		m := segment.FindStringSubmatch(path)
		if m == nil {
			panic("unknown segment: " + path)
		}
		path = path[len(m[0]):]
		switch filtered := m[4] + m[5]; {
		case filtered != "":
			all = append(all, step{equal: [2]string{filtered, m[6]}})
			if m[7] != "" {
				all = append(all, step{member: &m[7]})
			}
		case m[3] == "" && !strings.Contains(m[0], "*"):
			all = append(all, step{member: new(m[1] + m[2])})
		default:
			index, _ := strconv.Atoi(m[3]) // 0 for all
			all = append(all, step{index: index})
		}
	}
	return all
}

// set returns a tree with a value at a path.
func set(tree any, path []step, value any) any {
	if len(path) == 0 {
		return value
	}
	if member := path[0].member; member != nil {
		object, _ := tree.(map[string]any)
		if object == nil {
			object = map[string]any{}
		}
		object[*member] = set(object[*member], path[1:], value)
		return object
	}
	list, _ := tree.([]any)
	for len(list) <= path[0].index {
		list = append(list, nil)
	}
	item := set(list[path[0].index], path[1:], value)
	if is := path[0].equal; is[0] != "" {
		if object := item.(map[string]any); object[is[0]] == nil {
			object[is[0]] = is[1]
		}
	}
	list[path[0].index] = item
	return list
}

// node matches a step of the XPaths that the recipes have.
var node = regexp.MustCompile(`^//?(@?)([\w-]+)(?:\[@(\w+)=['"]([^'"]+)['"]\])?`)

// answerXML returns a document of nested elements.
func answerXML(f recipe.Feed, e example) (releases.Answer, error) {
	text, err := subject(f.Match, e)
	if err != nil {
		return releases.Answer{}, err
	}
	var escaped bytes.Buffer
	if err := xml.EscapeText(&escaped, []byte(text)); err != nil {
		return releases.Answer{}, err
	}
	body, end := "", ""
	path := f.Version
	if strings.HasPrefix(path, "//") {
		body, end = "<root>", "</root>"
	}
	for path != "" {
		m := node.FindStringSubmatch(path)
		if m == nil {
			return releases.Answer{}, fmt.Errorf("unknown step: %s", path)
		}
		path = path[len(m[0]):]
		switch {
		case m[1] != "":
			body = fmt.Sprintf(`%s %s="%s">`, strings.TrimSuffix(body, ">"), m[2], escaped.String())
			escaped.Reset()
		case m[3] != "":
			body += fmt.Sprintf(`<%s %s=%q>`, m[2], m[3], m[4])
			end = "</" + m[2] + ">" + end
		default:
			body += "<" + m[2] + ">"
			end = "</" + m[2] + ">" + end
		}
	}
	return releases.Answer{Body: []byte(body + escaped.String() + end)}, nil
}
