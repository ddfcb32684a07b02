package releases

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A query is a compiled path in a word of a feed of kind json, plist or xml.
type query interface {
	// nodes returns the nodes that the path selects from a node, at most maxNodes.
	nodes(from any, s *steps) ([]any, error)
	// texts returns the texts of those nodes that have one.
	texts(from any, s *steps) ([]string, error)
}

// itemQueries are the compiled paths of a feed.
type itemQueries struct {
	items, version, build, date, minOS, rollout query
	fields                                      map[string]query
	// list is the path of the list itself if items are all of its elements, nil if they are not.
	list query
}

// maxFields is the maximum number of fields of a feed.
const maxFields = 32

// compileQueries compiles the paths of a feed. The error is a *patch.ValidationError with all failures.
func compileQueries(f recipe.Feed, compile func(text string) (query, error)) (*itemQueries, error) {
	q := &itemQueries{fields: map[string]query{}}
	var failures []patch.Failure
	fail := func(word, message string) {
		failures = append(failures, patch.Failure{Path: "/feed/" + word, Message: message})
	}
	add := func(word, text string, to *query) {
		if text == "" {
			return
		}
		var err error
		if *to, err = compile(text); err != nil {
			fail(word, err.Error())
		}
	}
	add("items", f.Items, &q.items)
	if list, all := strings.CutSuffix(f.Items, "[*]"); all && q.items != nil {
		add("items", list, &q.list)
	}
	add("version", f.Version, &q.version)
	add("build", f.Build, &q.build)
	add("date", f.Date, &q.date)
	add("minOS", f.MinOS, &q.minOS)
	add("rollout", f.Rollout, &q.rollout)
	if len(f.Fields) > maxFields {
		fail("fields", "has more than "+strconv.Itoa(maxFields)+" paths")
		return nil, &patch.ValidationError{Failures: failures}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		var field query
		if f.Fields[name] == "" {
			fail("fields/"+name, "is empty: enter a path")
			continue
		}
		add("fields/"+name, f.Fields[name], &field)
		q.fields[name] = field
	}
	if f.Version == "" && (len(f.Fields) == 0 || f.As == "") {
		fail("version", "is missing: enter the path of the version, or fields and as")
	}
	if len(failures) > 0 {
		return nil, &patch.ValidationError{Failures: failures}
	}
	return q, nil
}

// readItems returns the releases that the paths of a feed find in a document.
func readItems(f recipe.Feed, q *itemQueries, document any) ([]recipe.Release, error) {
	s := newSteps()
	items := []any{document}
	if q.items != nil {
		var err error
		if items, err = q.items.nodes(document, s); err != nil {
			return nil, err
		}
		if empty, err := emptyList(f, q, document, s); err != nil || len(items) == 0 && empty {
			return []recipe.Release{}, err
		}
		if len(items) == 0 {
			return nil, unreadable("the path items, %s, finds nothing in the answer", f.Items)
		}
	}
	c := newCollector(f)
	for _, item := range items {
		if err := c.addItem(q, item, s); err != nil {
			return nil, err
		}
	}
	return c.result()
}

// emptyList reports whether a feed with roll-outs has a list without elements: between two of them, a feed of releases
// that have reached a part of users may list none.
func emptyList(f recipe.Feed, q *itemQueries, document any, s *steps) (bool, error) {
	if q.list == nil || f.Rollout == "" {
		return false, nil
	}
	lists, err := q.list.nodes(document, s)
	return err == nil && len(lists) == 1 && isEmpty(lists[0]), err
}

func isEmpty(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) == 0
}

// addItem adds the releases of an item.
func (c *collector) addItem(q *itemQueries, item any, s *steps) error {
	var err error
	texts := func(q query) []string {
		if q == nil || err != nil {
			return nil
		}
		var list []string
		list, err = q.texts(item, s)
		return list
	}
	versions := []string{""}
	if q.version != nil {
		versions = texts(q.version)
	}
	builds, dates, minimums, rollouts := texts(q.build), texts(q.date), texts(q.minOS), texts(q.rollout)
	fields := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(q.fields)) {
		fields[name] = texts(q.fields[name])
	}
	if err != nil {
		return err
	}
	if q.rollout != nil && len(versions) > 0 && len(rollouts) != len(versions) {
		return unreadable("the path rollout, %s, finds %s for %s: it must find one for each",
			c.feed.Rollout, plural(len(rollouts), "value"), plural(len(versions), "version"))
	}
	for i, version := range versions {
		at := func(list []string) string { return valueAt(list, i, len(versions)) }
		groups := map[string]string{"build": at(builds)}
		for name, list := range fields {
			groups[name] = at(list)
		}
		rollout, err := parseRollout(at(rollouts))
		if err != nil {
			return err
		}
		r := recipe.Release{Date: parseDate(at(dates)), MinOS: cut(at(minimums)), Rollout: rollout}
		if err := c.add(r, version, groups); err != nil {
			return err
		}
	}
	return nil
}

// valueAt returns the value for version i of n versions: those of a list that is as long, or the first one if there is
// one version.
func valueAt(list []string, i, n int) string {
	switch {
	case len(list) == n:
		return list[i]
	case n == 1 && len(list) > 0:
		return list[0]
	}
	return ""
}

// parseRollout returns a fraction of users, which feeds write from 0 to 1 or in percent. Without a text, it is 1.
func parseRollout(text string) (float64, error) {
	if text == "" {
		return 1, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent || n > 1 {
		n /= 100
	}
	switch {
	case text == "true":
		return 1, nil
	case text == "false":
		return 0, nil
	case err != nil || !(0 <= n && n <= 1):
		return 0, unreadable("the rollout %s is neither a fraction from 0 to 1 nor a percentage",
			quote(beginningOf(text)))
	}
	return n, nil
}

// A collector gathers the releases of an answer, each version once.
type collector struct {
	feed   recipe.Feed
	budget *matchBudget
	found  []recipe.Release
	places map[string]int // of versions in found
	// values is the number of values that gave no version, and value the first of them.
	values int
	value  string
}

func newCollector(f recipe.Feed) *collector {
	return &collector{feed: f, budget: newMatchBudget(f.Match), places: map[string]int{}}
}

// add adds the release whose version is in a subject, by the words of the feed. A subject without a version is
// counted.
func (c *collector) add(r recipe.Release, subject string, groups map[string]string) error {
	if err := c.budget.spend(len(subject)); err != nil {
		return err
	}
	version, build, ok, err := versionOf(c.feed, subject, groups)
	return c.addVersion(r, subject, version, build, ok, err)
}

// addMatch is add for a match of the expression Match of the feed. match is that of FindStringSubmatch.
func (c *collector) addMatch(r recipe.Release, re *regexp.Regexp, match []string) error {
	version, build, ok, err := versionOfMatch(c.feed, re, match, nil)
	return c.addVersion(r, match[0], version, build, ok, err)
}

func (c *collector) addVersion(r recipe.Release, subject, version, build string, ok bool, err error) error {
	var invalid *patch.ValidationError
	switch {
	case errors.As(err, &invalid):
		return unreadable("%s", invalid.Failures[0].String())
	case err != nil:
		return err
	case !ok:
		if c.values++; c.values == 1 {
			c.value = subject
		}
		return nil
	}
	r.Version, r.Build = version, build
	if i, ok := c.places[version]; ok {
		c.found[i] = merge(c.found[i], r)
		return nil
	}
	if len(c.found) == MaxReleases {
		return unreadable("the answer lists more than %d releases: make the feed more specific", MaxReleases)
	}
	c.places[version] = len(c.found)
	c.found = append(c.found, r)
	return nil
}

// result returns the releases. It is an error if there is none.
func (c *collector) result() ([]recipe.Release, error) {
	switch f := c.feed; {
	case len(c.found) > 0:
		return c.found, nil
	case c.values == 0 && f.Version != "":
		return nil, unreadable("the path version, %s, finds no text in the answer", f.Version)
	case f.Match != "" && c.value != "":
		return nil, unreadable("match finds no version in %s", quote(beginningOf(c.value)))
	case f.Match != "":
		return nil, unreadable("match finds no version in the answer")
	}
	return nil, unreadable("the answer has no value for the version%s", missingValue(c.feed))
}

// missingValue returns the rest of a sentence about a version that is missing, which names the values that the feed's
// word As needs. It is empty if the feed has none.
func missingValue(f recipe.Feed) string {
	if f.As == "" {
		return ""
	}
	return fmt.Sprintf(": as is %s, and each of its values is needed", quote(f.As))
}

// beginningOf returns the first characters of a value for a message.
func beginningOf(value string) string {
	const length = 80
	if len(value) <= length {
		return value
	}
	return strings.ToValidUTF8(value[:length], "") + "…"
}

// groupText returns the text of a named group of a match, which is empty if there is no such group.
func groupText(re *regexp.Regexp, match []string, name string) string {
	if i := re.SubexpIndex(name); i > 0 {
		return match[i]
	}
	return ""
}

// joinInvalid returns a *patch.ValidationError with the failures of several ones, or nil if there are none.
func joinInvalid(errs ...error) error {
	var all []patch.Failure
	for _, err := range errs {
		var v *patch.ValidationError
		switch {
		case errors.As(err, &v):
			all = append(all, v.Failures...)
		case err != nil:
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &patch.ValidationError{Failures: all}
}
