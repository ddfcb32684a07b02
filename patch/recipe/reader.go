package recipe

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch/internal/tokens"
)

// A reader decodes JSON that patch.CheckSyntax has accepted. Where a value has the wrong type it records a failure,
// leaves the Go value unchanged and continues, so that one pass finds every failure.
type reader struct {
	*tokens.Reader
	*checker
	path string // the JSON Pointer of the current value
}

// members are the members of an object by name, with the functions that read their values.
type members map[string]func()

func (r *reader) recipe(v *Recipe) {
	r.object("a recipe", members{
		"id":                     r.text(&v.ID),
		"name":                   r.text(&v.Name),
		"publisher":              r.text(&v.Publisher),
		"appName":                r.text(&v.AppName),
		"bundleId":               r.text(&v.BundleID),
		"minimumOperatingSystem": r.text(&v.MinimumOperatingSystem),
		"killApps":               func() { list(r, &v.KillApps) },
		"requirements":           func() { list(r, &v.Requirements) },
		"extensionAttributes":    func() { list(r, &v.ExtensionAttributes) },
		"feed":                   func() { r.feed(&v.Feed) },
		"policy":                 func() { r.policy(&v.Policy) },
	}, "feed")
}

func (r *reader) watch(v *Watch) {
	r.object("a watch", members{
		"feed":   func() { r.feed(&v.Feed) },
		"policy": func() { r.policy(&v.Policy) },
	}, "feed")
}

func (r *reader) feed(v *Feed) {
	r.object("a feed", members{
		"kind":        r.text(&v.Kind),
		"url":         r.text(&v.URL),
		"name":        r.text(&v.Name),
		"repo":        r.text(&v.Repo),
		"source":      r.text(&v.Source),
		"tag":         r.text(&v.Tag),
		"asset":       r.text(&v.Asset),
		"assetMatch":  r.text(&v.AssetMatch),
		"channel":     r.text(&v.Channel),
		"from":        r.text(&v.From),
		"items":       r.text(&v.Items),
		"version":     r.text(&v.Version),
		"build":       r.text(&v.Build),
		"date":        r.text(&v.Date),
		"minOS":       r.text(&v.MinOS),
		"rollout":     r.text(&v.Rollout),
		"fields":      func() { r.fields(&v.Fields) },
		"match":       r.text(&v.Match),
		"as":          r.text(&v.As),
		"pick":        r.text(&v.Pick),
		"header":      r.text(&v.Header),
		"parts":       r.int(&v.Parts),
		"prereleases": r.bool(&v.Prereleases),
		"include":     r.text(&v.Include),
		"exclude":     r.text(&v.Exclude),
		"major":       r.int(&v.Major),
		"method":      r.text(&v.Method),
		"userAgent":   r.text(&v.UserAgent),
		"referer":     r.text(&v.Referer),
	}, "kind")
}

func (r *reader) policy(v *Policy) {
	r.object("a policy", members{
		"mode":       r.text((*string)(&v.Mode)),
		"hold":       r.duration(&v.Hold),
		"minRollout": func() { r.fraction(&v.MinRollout) },
		"expect":     r.text(&v.Expect),
		"interval":   r.duration(&v.Interval),
		"backfill":   r.int(&v.Backfill),
		"patch":      func() { r.template(&v.Patch) },
	})
}

// object reads an object. A member that is not in known is a failure, and so is one of required that is absent.
func (r *reader) object(what string, known members, required ...string) {
	if !r.expect('{', "an object") {
		return
	}
	r.Next()
	for r.more('}') {
		name := r.Next().String()
		leave := r.enter(name)
		if read, ok := known[name]; ok {
			read()
		} else {
			r.fail(r.path, unknownMember(name, what, known))
			r.Skip()
		}
		required = slices.DeleteFunc(required, func(s string) bool { return s == name })
		leave()
	}
	r.Next()
	for _, name := range required {
		r.fail(r.path+"/"+name, "is missing: "+hints[name])
	}
}

// hints are the remedies for members that are missing.
var hints = map[string]string{
	"feed": `add the release feed, such as {"kind": "sparkle", "url": "https://vendor.example/appcast.xml"}`,
	"kind": "add the kind of the feed: " + kindNames,
}

// enter makes a member or an element the current value, until the function that it returns is called.
func (r *reader) enter(name string) (leave func()) {
	parent := r.path
	r.path += "/" + pointerEscaper.Replace(name)
	return func() { r.path = parent }
}

// pointerEscaper escapes a member's name as RFC 6901 requires.
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// text returns a function that reads a string.
func (r *reader) text(s *string) func() {
	return func() {
		if r.expect('"', "a string") {
			*s = r.Next().String()
		}
	}
}

func (r *reader) bool(b *bool) func() {
	return func() {
		if k := r.Kind(); k == 't' || k == 'f' {
			*b = r.Next().Bool()
			return
		}
		r.expect('t', "true or false")
	}
}

func (r *reader) int(n *int) func() {
	return func() {
		if !r.expect('0', "a whole number, such as 3") {
			return
		}
		v, err := strconv.ParseInt(string(r.Value()), 10, 32)
		if err != nil {
			r.fail(r.path, "must be a whole number without a fraction, such as 3")
		}
		*n = int(v)
	}
}

func (r *reader) fraction(f **float64) {
	if !r.expect('0', "a number from 0 to 1, such as 0.5") {
		return
	}
	v, err := strconv.ParseFloat(string(r.Value()), 64)
	if err != nil {
		r.fail(r.path, "must be a number from 0 to 1, such as 0.5")
	}
	*f = &v
}

func (r *reader) duration(d *Duration) func() {
	return func() {
		if !r.expect('"', `a string with a unit, such as "48h", "30m" or "2d"`) {
			return
		}
		if err := d.UnmarshalText([]byte(r.Next().String())); err != nil {
			r.fail(r.path, err.Error())
		}
	}
}

func (r *reader) fields(all *map[string]string) {
	if !r.expect('{', "an object of paths") {
		return
	}
	r.Next()
	for r.more('}') {
		name := r.Next().String()
		leave := r.enter(name)
		var path string
		r.text(&path)()
		if *all == nil {
			*all = map[string]string{}
		}
		(*all)[name] = path
		leave()
	}
	r.Next()
}

// template reads the template of a patch and keeps its JSON.
func (r *reader) template(raw *json.RawMessage) {
	if !r.expect('{', "an object with the members of a patch") {
		return
	}
	*raw = r.Value()
}

// list reads an array whose elements have UnmarshalJSON, as the types of package patch do. An empty one is nil, as the
// array that is not written.
func list[T any](r *reader, all *[]T) {
	if !r.expect('[', "an array") {
		return
	}
	r.Next()
	for i := 0; r.more(']'); i++ {
		leave := r.enter(strconv.Itoa(i))
		var v T
		r.failAll(json.Unmarshal(r.Value(), &v), below(r.path))
		*all = append(*all, v)
		leave()
	}
	r.Next()
}

// more reports whether an object or array has another element to read. It returns false once the list of
// failures is full.
func (r *reader) more(end jsontext.Kind) bool {
	return r.Err() == nil && !r.full && r.Kind() != end
}

// expect reports whether the next value is of a kind. If not, it records a failure and skips the value.
func (r *reader) expect(want jsontext.Kind, name string) bool {
	got := r.Kind()
	if got == want {
		return true
	}
	if got == 'n' {
		r.fail(r.path, "must be "+name+", not null: remove it, or give it a value")
	} else {
		r.fail(r.path, "must be "+name+", not "+tokens.KindName(got))
	}
	r.Skip()
	return false
}
