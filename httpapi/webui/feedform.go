package webui

import (
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	kindPath    = "/feed/kind"
	fieldsPath  = "/feed/fields"
	patchPath   = "/policy/patch"
	killPath    = "/killApps/"
	guessPrefix = "guess:"
)

// maxGuesses limits the number of marks in a form.
const maxGuesses = 50

// A feedForm is the form for the release feed of a title, or for a new title that follows one. The names of its fields
// are the JSON Pointers of the members of a recipe.
type feedForm struct {
	// Title is the title that exists. Its ID is empty for a new title.
	Title
	// Watched says that the title follows a feed already.
	Watched bool
	Wide    bool // the visitor may use the kinds that can read any page

	values  map[string]string // by JSON Pointer
	guesses map[string]string // what to check, by JSON Pointer; a gap has the text of gapText
	fieldErrors
	Message string
	Others  []patch.Failure // those that belong to no field
	Apps    []appRow
	Trial   *trial
	Cask    string // the text of a cask that cannot be read
}

// gapText marks a part of a draft that is missing.
const gapText = "The draft has no value for this: enter it."

// newFeedForm returns a form with the values of a recipe. t is the zero Title for a new title.
func newFeedForm(t Title, r recipe.Recipe, wide bool) *feedForm {
	f := &feedForm{
		Title:       t,
		Wide:        wide,
		values:      map[string]string{},
		guesses:     map[string]string{},
		fieldErrors: fieldErrors{},
	}
	f.fill(r)
	return f
}

// fill sets the values of all fields to those of a recipe.
func (f *feedForm) fill(r recipe.Recipe) {
	var members struct {
		Feed   map[string]any `json:"feed"`
		Policy map[string]any `json:"policy"`
	}
	data, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(data, &members)
	}
	if err != nil { // the template of a version is not JSON
		f.Message = "This feed cannot be shown in the form. Use the API to change it."
		return
	}
	f.values = map[string]string{
		"/id": r.ID, "/name": r.Name, "/publisher": r.Publisher, "/appName": r.AppName, "/bundleId": r.BundleID,
		"/minimumOperatingSystem": r.MinimumOperatingSystem,
	}
	for name, value := range members.Feed {
		f.values["/feed/"+name] = fieldText(value)
	}
	for name, value := range members.Policy {
		f.values["/policy/"+name] = fieldText(value)
	}
	if r.Policy.Patch != nil {
		f.values[patchPath] = string(readable(r.Policy.Patch))
	}
	f.Apps = nil
	for _, app := range r.KillApps {
		f.Apps = append(f.Apps, appRow{Name: app.AppName, Bundle: app.BundleID})
	}
	f.spare()
}

// fieldText returns a value of JSON as the text of a field.
func fieldText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			lines = append(lines, name+" = "+fieldText(v[name]))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

// spare adds empty rows of kill apps, and sets the paths of all.
func (f *feedForm) spare() {
	f.Apps = append(f.Apps, appRow{})
	for i := range f.Apps {
		f.Apps[i].Path = killPath + strconv.Itoa(i)
	}
}

// read fills the form with the fields that a visitor has sent, and returns the recipe that they describe. Words of
// other kinds of feeds stay in the form, and are not part of the recipe. Values that no recipe can have are errors of
// their fields.
func (f *feedForm) read(form url.Values) recipe.Recipe {
	f.values, f.guesses, f.Apps = map[string]string{}, map[string]string{}, nil
	for name := range form {
		value := strings.ReplaceAll(strings.TrimSpace(form.Get(name)), "\r\n", "\n")
		if path, ok := strings.CutPrefix(name, guessPrefix); ok && len(f.guesses) < maxGuesses {
			f.guesses[path] = value
		} else if strings.HasPrefix(name, "/") {
			f.values[name] = value
		}
	}
	r := recipe.Recipe{
		ID:                     f.values["/id"],
		Name:                   f.values["/name"],
		Publisher:              f.values["/publisher"],
		AppName:                f.values["/appName"],
		BundleID:               f.values["/bundleId"],
		MinimumOperatingSystem: f.values["/minimumOperatingSystem"],
		Feed:                   f.readFeed(),
		Policy:                 f.readPolicy(),
	}
	names, bundles := form["app_name"], form["app_bundle"]
	for i := range min(len(names), len(bundles)) {
		app := appRow{Name: strings.TrimSpace(names[i]), Bundle: strings.TrimSpace(bundles[i])}
		if app.Name != "" || app.Bundle != "" {
			f.Apps = append(f.Apps, app)
			r.KillApps = append(r.KillApps, patch.KillApp{AppName: app.Name, BundleID: app.Bundle})
		}
	}
	f.spare()
	return r
}

// readFeed returns the feed that the fields describe.
func (f *feedForm) readFeed() (feed recipe.Feed) {
	kind := f.values[kindPath]
	members := map[string]any{"kind": kind}
	for _, g := range feedGroups {
		for _, w := range g.Words {
			path := g.Prefix + w.Name
			text := f.values[path]
			switch {
			case text == "" || !w.usedBy(kind):
			case w.Check:
				members[w.Name] = true
			case w.Number:
				members[w.Name] = f.number(path)
			case path == fieldsPath:
				members[w.Name] = f.lines(path)
			default:
				members[w.Name] = text
			}
		}
	}
	data, err := json.Marshal(members)
	if err == nil {
		err = json.Unmarshal(data, &feed)
	}
	if err != nil { // impossible: the members have the types of the feed's
		f.Others = append(f.Others, patch.Failure{Path: "/feed", Message: err.Error()})
	}
	return feed
}

// readPolicy returns the policy that the fields describe.
func (f *feedForm) readPolicy() recipe.Policy {
	p := recipe.Policy{
		Mode:     recipe.Mode(f.values["/policy/mode"]),
		Hold:     f.duration("/policy/hold"),
		Expect:   f.values["/policy/expect"],
		Interval: f.duration("/policy/interval"),
		Backfill: f.number("/policy/backfill"),
	}
	if text := f.values["/policy/minRollout"]; text != "" {
		fraction, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || fraction != fraction {
			f.fieldErrors["/policy/minRollout"] = "must be a number from 0 to 1, such as 0.5"
		} else {
			p.MinRollout = &fraction
		}
	}
	if text := f.values[patchPath]; text != "" {
		if wrong := syntaxErrors([]byte(text)); wrong != nil {
			f.fieldErrors[patchPath] = wrong[0].Message
		} else {
			p.Patch = json.RawMessage(text)
		}
	}
	return p
}

// number returns the number in a field, or 0 and an error of the field.
func (f *feedForm) number(path string) int {
	text := f.values[path]
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f.fieldErrors[path] = "must be a whole number"
	}
	return n
}

// duration returns the duration in a field, or 0 and an error of the field.
func (f *feedForm) duration(path string) (d recipe.Duration) {
	if text := f.values[path]; text != "" {
		if err := d.UnmarshalText([]byte(text)); err != nil {
			f.fieldErrors[path] = err.Error()
		}
	}
	return d
}

// lines returns the names and values in the lines of a field, or an error of the field.
func (f *feedForm) lines(path string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(f.values[path]) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		switch {
		case strings.TrimSpace(line) == "":
		case !ok || name == "":
			f.fieldErrors[path] = "must have lines such as: patch = $.patch"
		default:
			all[name] = strings.TrimSpace(value)
		}
	}
	return all
}

// validate returns the failures of the recipe that a form with invalid values describes, to be shown with the errors of
// those values.
func (f *feedForm) validate(r recipe.Recipe) *refusal {
	watch := r.Watch()
	err := watch.Validate()
	if f.ID == "" {
		err = r.Validate()
	}
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		return &refusal{Errors: invalid.Failures}
	}
	return &refusal{}
}

// complain adds the error of a call to the form: each failure at its field.
func (f *feedForm) complain(r *refusal) {
	f.Message = r.Message
	fields := map[string]bool{kindPath: true}
	for _, g := range f.allGroups() {
		for _, w := range g.Words {
			if w.usedBy(f.values[kindPath]) {
				fields[g.Prefix+w.Name] = true
			}
		}
	}
	for _, app := range f.Apps {
		fields[app.Path+"/appName"], fields[app.Path+"/bundleId"] = f.ID == "", f.ID == ""
	}
	for _, failure := range r.Errors {
		path := strings.TrimPrefix(failure.Path, "/recipe")
		message := failure.Message
		for _, whole := range []string{fieldsPath, patchPath} {
			if below, ok := strings.CutPrefix(path, whole+"/"); ok {
				path, message = whole, below+" "+message
			}
		}
		if !fields[path] {
			f.Others = append(f.Others, patch.Failure{Path: path, Message: message})
			continue
		}
		if earlier := f.fieldErrors[path]; earlier != "" {
			message = earlier + "; " + message
		}
		f.fieldErrors[path] = message
	}
}

// mark marks the guesses and gaps of a draft.
func (f *feedForm) mark(d wire.RecipeDraft) {
	for _, g := range d.Guesses {
		f.guesses[g.Path] = strings.TrimSpace(f.guesses[g.Path] + " " + sentence(capital(g.Why)))
	}
	for _, path := range d.Gaps {
		f.guesses[path] = strings.TrimSpace(gapText + " " + f.guesses[path])
	}
}
