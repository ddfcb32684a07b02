package releases

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// makePatches makes the patches of all steps. Releases of which no patch can be made are skipped. If that is so for all
// because of the title's form, it is an error.
func (p *planner) makePatches() error {
	var form error // of the newest release that fails because of the title's form
	made := 0
	for _, steps := range []*[]Step{&p.plan.Held, &p.add, &p.ask} {
		kept := (*steps)[:0]
		for _, step := range *steps {
			next, err := recipe.NextPatch(p.newest, &p.watch, step.Release, p.now)
			if err != nil {
				p.skipUnusable(step.Release, err.Error())
			}
			if errors.Is(err, recipe.ErrForm) {
				form = fmt.Errorf("version %s cannot be made: %w", step.Release.Version, err)
			}
			if err == nil {
				step.Patch = next
				kept = append(kept, step)
				made++
			}
		}
		*steps = kept
	}
	if made > 0 {
		return nil
	}
	return form
}

// checkDefinition validates the definition with the new versions. Versions about which lint has new warnings are
// proposed instead of being added.
func (p *planner) checkDefinition() error {
	next, err := p.validDefinition()
	if err != nil {
		return err
	}
	fresh := p.newWarnings(next)
	var clean, doubtful []Step
	for _, step := range p.add {
		if warnings := fresh[step.Patch.Version]; len(warnings) > 0 {
			step.Reasons = append(step.Reasons, warnings...)
			doubtful = append(doubtful, step)
		} else {
			clean = append(clean, step)
		}
	}
	for i := range p.ask {
		p.ask[i].Reasons = append(p.ask[i].Reasons, fresh[p.ask[i].Patch.Version]...)
	}
	p.add = clean
	p.propose(doubtful)
	return nil
}

// newWarnings returns lint's warnings about the new versions of a definition whose kinds the title's newest version
// does not have, by version.
func (p *planner) newWarnings(next *patch.Definition) map[string][]string {
	opts := patch.LintOptions{}
	if p.lint != nil {
		opts = *p.lint
	}
	opts.Now = p.now
	isNew := make([]bool, len(next.Patches))
	for i := range next.Patches {
		isNew[i] = p.def.FindPatch(next.Patches[i].Version) < 0
	}
	codes := map[string]bool{"future-date": true} // objections has it
	newest := p.def.FindPatch(p.newest.Version)
	opts.Patches = func(i int) bool { return i == newest }
	for _, warning := range patch.Lint(p.def, &opts) {
		codes[warning.Code] = true
	}
	// Each patch is compared with the one before it.
	opts.Patches = func(i int) bool { return isNew[i] || i > 0 && isNew[i-1] }
	fresh := map[string][]string{}
	for _, warning := range patch.Lint(next, &opts) {
		i, ok := patchIndex(warning.Path)
		if ok && i < len(isNew) && isNew[i] && !codes[warning.Code] {
			v := next.Patches[i].Version
			fresh[v] = append(fresh[v], "lint warns: "+warning.Message)
		}
	}
	return fresh
}

// patchIndex returns the index of the patch that a JSON Pointer leads to.
func patchIndex(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0
}

// validDefinition returns the definition with the new versions. Versions with which it would be invalid are skipped.
func (p *planner) validDefinition() (*patch.Definition, error) {
	for {
		next := p.def.Clone()
		var patches []patch.Patch
		for _, steps := range [][]Step{p.add, p.ask} {
			for i := range steps {
				patches = append(patches, steps[i].Patch.Clone())
			}
		}
		if err := next.AddPatches(patch.Ordered(), p.now, patches...); err != nil {
			return nil, fmt.Errorf("the new versions cannot be added: %w", err)
		}
		err := next.ValidateEdit(p.def)
		if err == nil {
			return next, nil
		}
		before := len(p.add) + len(p.ask)
		wrong := invalidVersions(next, err)
		p.add, p.ask = p.withoutInvalid(p.add, wrong), p.withoutInvalid(p.ask, wrong)
		if len(p.add)+len(p.ask) == before {
			return nil, fmt.Errorf("the title would be invalid with the new versions: %w", err)
		}
	}
}

// invalidVersions returns the first failure of each version in a *patch.ValidationError about a definition.
func invalidVersions(def *patch.Definition, err error) map[string]string {
	wrong := map[string]string{}
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return wrong
	}
	for _, failure := range invalid.Failures {
		i, ok := patchIndex(failure.Path)
		if !ok || i >= len(def.Patches) || wrong[def.Patches[i].Version] != "" {
			continue
		}
		member := strings.TrimPrefix(failure.Path, "/patches/"+strconv.Itoa(i)+"/")
		wrong[def.Patches[i].Version] = member + " " + failure.Message
	}
	return wrong
}

// withoutInvalid returns the steps whose versions have no failure, and skips the others.
func (p *planner) withoutInvalid(steps []Step, failures map[string]string) (kept []Step) {
	for _, step := range steps {
		if failure, ok := failures[step.Patch.Version]; ok {
			p.skipUnusable(step.Release, "the title would be invalid with it: "+failure)
		} else {
			kept = append(kept, step)
		}
	}
	return kept
}
