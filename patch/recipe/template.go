package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A template is the patch of a version with places for what a release has.
type template struct {
	values map[string]string // by name
	used   map[string]bool   // the names that were found
}

// maxTemplate is the maximum size of a template in bytes. Each place in it may become as long as a version.
const maxTemplate = 64 << 10

// placeholder matches the place of a value.
var placeholder = regexp.MustCompile(`\{(version|build|date|minimumOS)\}`)

// patch returns the patch of a release, made from the policy's template. v.MinOS must not be empty.
func (p *Policy) patch(v Release, now time.Time) (patch.Patch, error) {
	t := template{
		values: map[string]string{
			"version":   v.Version,
			"build":     v.Build,
			"date":      patch.FormatTime(released(v, now)),
			"minimumOS": v.MinOS,
		},
		used: map[string]bool{},
	}
	out, err := t.expand(p.Patch)
	if err != nil {
		return patch.Patch{}, err
	}
	if t.used["build"] && v.Build == "" {
		return patch.Patch{}, fmt.Errorf("%w: its template has {build}, and the feed has no build of version %q",
			ErrForm, shorten(v.Version))
	}
	made, err := patch.ParsePatch(out, &patch.ParseOptions{At: "/policy/patch"})
	if err != nil {
		return patch.Patch{}, err
	}
	if made.Version != v.Version {
		return patch.Patch{}, &patch.ValidationError{Failures: []patch.Failure{{
			Path:    "/policy/patch/version",
			Message: `must be "{version}": use "as" of the feed to give versions another form`,
		}}}
	}
	return *made, nil
}

// expand returns the JSON of a patch with its places filled in.
func (t *template) expand(raw json.RawMessage) ([]byte, error) {
	if err := patch.CheckSyntax(raw, &patch.ParseOptions{MaxBytes: MaxBytes}); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(t.fill(tree, false))
}

// fill returns a value with the places in its strings filled in. If quote is true, they are in a regular expression.
func (t *template) fill(value any, quote bool) any {
	switch v := value.(type) {
	case string:
		return placeholder.ReplaceAllStringFunc(v, func(place string) string {
			name := strings.Trim(place, "{}")
			t.used[name] = true
			if quote {
				return regexp.QuoteMeta(t.values[name])
			}
			return t.values[name]
		})
	case []any:
		for i := range v {
			v[i] = t.fill(v[i], false)
		}
	case map[string]any:
		operator, _ := v["operator"].(string)
		isRegex := operator == "matches regex" || operator == "does not match regex"
		for name := range v {
			v[name] = t.fill(v[name], isRegex && name == "value")
		}
	}
	return value
}

// checkTemplate checks the template of a policy by making the patch of a release from it.
func (p *Policy) checkTemplate(c *checker) {
	const path = "/policy/patch"
	if len(p.Patch) > maxTemplate {
		c.fail(path, fmt.Sprintf("must have at most %d bytes, not %d", maxTemplate, len(p.Patch)))
		return
	}
	sample := Release{Version: "1.2.3", Build: "4567", MinOS: DefaultMinimumOS}
	made, err := p.patch(sample, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		c.failAll(err, func(at string) string { return path + strings.TrimPrefix(at, path) })
		return
	}
	for _, component := range made.Components {
		for _, criterion := range component.Criteria {
			if strings.Contains(strings.ReplaceAll(criterion.Value, `\`, ""), sample.Version) ||
				strings.Contains(criterion.Value, sample.Build) {
				return
			}
		}
	}
	c.fail(path+"/components", "must have a criterion with {version} or {build}: otherwise all versions look alike")
}
