package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// update reports the new versions of a definition, and adds them if the command is apply. It decides as a server does,
// but remembers nothing: it may add a version again that a person removed.
func (v *visit) update(s releases.Selection) error {
	plan, err := releases.Propose(v.target.def, v.recipe.Watch(), s, nil, v.now, nil)
	endless := releases.Seen{}
	if err == nil {
		endless = v.endless(plan)
	}
	if v.approve && len(endless) > 0 {
		plan, err = releases.Propose(v.target.def, v.recipe.Watch(), s, endless, v.now, nil)
	}
	if err != nil {
		v.find(report.Error, codeDefinition, "/feed", "", "%s: %v", v.target.name(), err)
		return nil
	}
	var add []patch.Patch
	for _, step := range plan.Add {
		add = append(add, step.Patch)
		reason := ""
		if _, ok := endless[step.Release.Version]; ok {
			reason = fmt.Sprintf(", although the policy holds it for %s", v.recipe.Policy.Hold)
		}
		v.findNew(step.Patch.Version, reason)
	}
	if p := plan.Proposal; p != nil {
		reasons := strings.Join(p.Reasons, "; ")
		if v.approve {
			for _, proposed := range p.Patches {
				v.findNew(proposed.Version, ", although a person has to decide about it: "+reasons)
			}
			add = append(add, p.Patches...)
		} else {
			v.find(report.Warning, codeProposed, "/feed", p.Version, "%s for a person: %s", waiting(p.Patches), reasons)
		}
	}
	for _, step := range plan.Held {
		if _, ok := endless[step.Release.Version]; ok {
			v.find(report.Warning, codeHeld, "/policy/hold", step.Release.Version, "version %s would wait forever: "+
				"the policy holds it for %s, the feed has no date for it that is later than that of the newest "+
				"version of %s, and patchrecipe does not remember when it was first listed: add it with apply "+
				"--approve, or remove hold", step.Release.Version, v.recipe.Policy.Hold, v.target.name())
			continue
		}
		v.find(levelNotice, codeHeld, "/policy", step.Release.Version, "version %s waits: %s",
			step.Release.Version, strings.Join(step.Reasons, "; "))
	}
	if plan.Note != "" {
		v.find(levelNotice, codeCurrent, "/feed", "", "%s", plan.Note)
	}
	if v.command != commandApply || len(add) == 0 {
		return nil
	}
	return v.write(add)
}

// endless returns marks of the held versions whose time begins again in each run, because the feed has no date for them
// that counts. With these marks, they are held no longer.
func (v *visit) endless(plan *releases.Plan) releases.Seen {
	seen := releases.Seen{}
	again := v.now.Add(time.Duration(v.recipe.Policy.Hold))
	for _, step := range plan.Held {
		if step.Until.Equal(again) && step.Release.Date.Before(v.now) {
			seen[step.Release.Version] = releases.Mark{Memory: recipe.Listed}
		}
	}
	return seen
}

// findNew adds the finding of a version that is added.
func (v *visit) findNew(version, reasons string) {
	verb := "would be"
	if v.command == commandApply {
		verb = "was"
	}
	v.find(levelNotice, codeNew, "/feed", version, "version %s %s added to %s%s",
		version, verb, v.target.name(), reasons)
}

// waiting returns the subject and the verb of a sentence about versions that wait.
func waiting(patches []patch.Patch) string {
	if len(patches) == 1 {
		return "version " + patches[0].Version + " waits"
	}
	var versions []string
	for i := range patches {
		versions = append(versions, patches[i].Version)
	}
	return "versions " + strings.Join(versions, ", ") + " wait"
}

// write adds versions to the definition's file.
func (v *visit) write(add []patch.Patch) error {
	def := v.target.def.Clone()
	if err := def.AddPatches(patch.Ordered(), v.now, add...); err != nil {
		return err
	}
	_, err := report.WriteDefinition(v.target.path, def, v.target.text)
	return err
}
