package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// levelNotice is the level of findings that are no problem.
const levelNotice = "notice"

// The codes of findings.
const (
	codeFeed       = "feed"
	codeDefinition = "definition"
	codeNew        = "new"
	codeProposed   = "proposed"
	codeHeld       = "held"
	codeCurrent    = "current"
	codeSilent     = "silent"
	codeExpected   = "expected"
	codeName       = "name"
)

// program is the program for reports.
var program = &report.Program{
	Name: "patchrecipe",
	Rules: []report.Rule{
		{Code: report.Invalid, Summary: "the recipe is invalid"},
		{Code: codeFeed, Summary: "the release feed cannot be read, or lists no stable release"},
		{Code: codeName, Summary: "the name of the recipe's file is not its id"},
		{Code: codeDefinition, Summary: "the definition is invalid, or new versions cannot be added to it"},
		{Code: codeNew, Summary: "a new version"},
		{Code: codeProposed, Summary: "a new version waits for a person"},
		{Code: codeHeld, Summary: "a new version waits for its time or its roll-out"},
		{Code: codeCurrent, Summary: "there is no new version"},
		{Code: codeSilent, Summary: "the feed has been silent for longer than its releases were apart"},
		{Code: codeExpected, Summary: "the newest version in the recorded answers"},
	},
	Summary: func(files int, levels map[string]int) string {
		return strings.Join([]string{
			count(files, "recipe"), count(levels[report.Error], "error"), count(levels[report.Warning], "warning"),
		}, ", ")
	},
}

// count returns a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A source reads release feeds.
type source interface {
	Read(ctx context.Context, f recipe.Feed) ([]recipe.Release, error)
}

// A checker checks recipes. It is safe for concurrent use.
type checker struct {
	kinds           *releases.Kinds
	source          source
	recorder        *recorder   // nil without --record
	offline         *recordings // nil without --offline
	command         string
	approve, strict bool
	now             time.Time
	taken           sync.Map // files of recipes, by the paths of their definitions
}

// A visit is the check of one recipe.
type visit struct {
	*checker
	report.Result
	data   []byte
	recipe *recipe.Recipe
	target *target
}

// check checks one recipe, and applies it if that is the command. The error is that of reading or writing a file, or
// that of ctx.
func (c *checker) check(ctx context.Context, f file) (report.Result, error) {
	v := &visit{checker: c, Result: report.Result{File: filepath.ToSlash(f.path), Findings: []report.Finding{}}}
	var err error
	if v.data, err = f.read(); err != nil {
		return v.Result, err
	}
	if v.recipe, err = recipe.Parse(v.data); err == nil {
		err = c.kinds.Check(v.recipe.Watch())
	}
	if err != nil {
		v.AddInvalid(v.data, err)
		return v.Result, nil
	}
	v.checkName(f)
	if c.command != commandTest {
		v.target, err = f.target(v.recipe)
		if err == nil {
			err = v.claim()
		}
		var invalid *definitionError
		switch {
		case errors.As(err, &invalid):
			return invalid.result(), nil
		case errors.Is(err, errDefinition):
			v.find(report.Error, codeDefinition, "/id", "", "%v", err)
			return v.Result, nil
		case err != nil:
			return v.Result, err
		}
	}
	if c.recorder != nil {
		c.recorder.keep(v.recipe.Feed.Header)
	}
	found, err := c.source.Read(ctx, v.recipe.Feed)
	switch {
	case ctx.Err() != nil:
		return v.Result, context.Cause(ctx)
	case err != nil:
		v.find(report.Error, codeFeed, "/feed", "", "%v", err)
		return v.Result, nil
	}
	return v.Result, v.compare(found)
}

// checkName warns if the name of the recipe's file is not its id.
func (v *visit) checkName(f file) {
	name := filepath.Base(f.path)
	suffix := filepath.Ext(name)
	if isRecipe(name) {
		suffix = name[len(name)-len(recipeSuffix):]
	}
	if id := v.recipe.TitleID(); strings.TrimSuffix(name, suffix) != id {
		v.find(report.Warning, codeName, "/id", "", "the file is not named by the id %s: rename it to %s%s, so that "+
			"two recipes cannot have one id unnoticed", id, id, suffix)
	}
}

// claim fails if another recipe has the same definition.
func (v *visit) claim() error {
	if v.target.path == "" {
		return nil
	}
	if other, taken := v.taken.LoadOrStore(strings.ToLower(v.target.path), v.File); taken {
		return fmt.Errorf("%w: %s is that of the recipe %s too", errDefinition, v.target.name(), other)
	}
	return nil
}

// find adds a finding.
func (v *visit) find(level, code, path, version, format string, args ...any) {
	if v.strict && level == report.Warning {
		level = report.Error
	}
	v.Add(report.Finding{
		Level:   level,
		Code:    code,
		Path:    path,
		Line:    report.LinesOf(v.data, []string{path})[path],
		Message: fmt.Sprintf(format, args...),
		Version: version,
	})
}

// compare compares the releases of the feed with what is there.
func (v *visit) compare(found []recipe.Release) error {
	s := releases.Select(v.recipe.Feed, found)
	newest := v.stable(s, 1)
	if len(newest) == 0 {
		reason := ""
		if len(s.Dropped) > 0 {
			reason = fmt.Sprintf(" (%s: %s)", s.Dropped[0].Version, strings.TrimSuffix(s.Dropped[0].Reason, "."))
		}
		v.find(report.Error, codeFeed, "/feed", "", "the feed lists no stable release%s", reason)
		return nil
	}
	if v.recorder != nil {
		v.recorder.expect(v.recipe.TitleID(), newest[0].Version)
	}
	if v.command == commandTest {
		v.test(newest[0].Version)
		return nil
	}
	if releases.Silent(s.Releases, v.now) {
		_, last := releases.Rhythm(s.Releases)
		v.find(report.Warning, codeSilent, "/feed", "", "the feed's last release is of %s, far longer ago than its "+
			"releases are apart: has the vendor moved the feed?", last.UTC().Format(time.DateOnly))
	}
	if v.target.def == nil {
		return v.create(s)
	}
	return v.update(s)
}

// stable returns the newest n releases that count.
func (v *visit) stable(s releases.Selection, n int) (newest []recipe.Release) {
	for _, r := range s.Releases {
		if len(newest) < n && (!r.Prerelease || v.recipe.Feed.Prereleases) {
			newest = append(newest, r)
		}
	}
	return newest
}

// test compares the newest version with the expected one.
func (v *visit) test(newest string) {
	id := v.recipe.TitleID()
	switch want, ok := v.offline.expected[id]; {
	case !ok:
		v.find(report.Error, codeExpected, "/feed", newest, "%s has no version of %s: record the feed, and confirm "+
			"that %s is the version that Jamf Pro's inventory reports", expectedFile, id, newest)
	case newest != want:
		v.find(report.Error, codeExpected, "/feed", newest, "the newest version is %s, want %s", newest, want)
	default:
		v.find(levelNotice, codeExpected, "/feed", newest, "the newest version is %s", newest)
	}
}

// create reports the first versions of a new definition, and writes it if the command is apply.
func (v *visit) create(s releases.Selection) error {
	first, err := releases.First(v.recipe.Watch(), s, v.now)
	if err != nil {
		v.find(report.Error, codeFeed, "/feed", "", "the feed cannot be followed: %v", err)
		return nil
	}
	def, err := v.recipe.Definition(first, v.now)
	if err != nil {
		v.find(report.Error, codeDefinition, "/feed", "", "the definition cannot be made: %v", err)
		return nil
	}
	newest := first[0].Version
	for _, w := range patch.Lint(def, &patch.LintOptions{Now: v.now}) {
		v.find(report.Warning, codeDefinition, "", newest, "the new definition, %s: %s", w.Path, w.Message)
	}
	switch {
	case v.recipe.Policy.Mode == recipe.Off:
		v.find(levelNotice, codeCurrent, "/policy/mode", "", "the policy is off: the feed is not followed")
	case v.command == commandApply && v.target.path == "":
		v.find(report.Error, codeDefinition, "", newest, "there is no place for the definition: name the folder with "+
			"--definitions, or rename the recipe to %s%s", v.recipe.TitleID(), recipeSuffix)
	case v.command == commandApply:
		if _, err := report.WriteDefinition(v.target.path, def, nil); err != nil {
			return err
		}
		v.find(levelNotice, codeNew, "/feed", newest, "%s was created with version %s", v.target.name(), newest)
	case v.target.path == "":
		v.find(levelNotice, codeNew, "/feed", newest, "the newest version is %s", newest)
	default:
		v.find(levelNotice, codeNew, "/feed", newest, "%s would be created with version %s", v.target.name(), newest)
	}
	return nil
}
