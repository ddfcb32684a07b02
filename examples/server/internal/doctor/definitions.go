package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/envelope"
)

const (
	// maxDefinitionBytes is the size of the largest definition that is read, with its envelope.
	maxDefinitionBytes = patch.DefaultMaxBytes + 1<<20
	// maxFailures is the number of failures of a definition that a finding names.
	maxFailures = 3
)

// checkDefinitions checks the definitions, or a sample of them.
func (e *examination) checkDefinitions(ctx context.Context, titles []patch.Summary) {
	signed := 0
	for _, t := range e.sample(titles) {
		if !patch.ValidID(t.ID) {
			continue // this is a finding already
		}
		if ctx.Err() != nil || e.requests >= maxRequests {
			break
		}
		e.report.Examined++
		if e.checkDefinition(ctx, t) {
			signed++
		}
	}
	e.summarizeDefinitions(signed)
}

// summarizeDefinitions adds the findings about all definitions together.
func (e *examination) summarizeDefinitions(signed int) {
	of := fmt.Sprintf("%d of %s", e.valid, plural(e.report.Titles, "definition"))
	for _, ok := range []struct{ check, message string }{
		{CheckDefinition, of + " read, all valid"},
		{CheckAgreement, of + " compared, all as in the list"},
		{CheckLint, of + " checked, without warnings"},
	} {
		if e.valid > 0 && !e.failed(ok.check) {
			e.add(ok.check, OK, ok.message)
		}
	}
	switch {
	case signed > 0 && signed < e.report.Examined && !e.failed(CheckDefinition):
		e.addf(CheckSignature, Warning, "%s of %d read are signed, and the others are not: sign all or none",
			plural(signed, "definition"), e.report.Examined)
	case signed > 0 && !e.failed(CheckSignature):
		e.addf(CheckSignature, OK, "%s with a valid signature", plural(signed, "definition"))
	}
}

// sample returns the titles whose definitions are read, spread over the list.
func (e *examination) sample(titles []patch.Summary) []patch.Summary {
	if e.options.All || len(titles) <= maxSample {
		return titles
	}
	sample := make([]patch.Summary, 0, maxSample)
	for i := range maxSample {
		sample = append(sample, titles[i*len(titles)/maxSample])
	}
	return sample
}

// checkDefinition checks the definition of a title, and reports whether it is signed.
func (e *examination) checkDefinition(ctx context.Context, t patch.Summary) (signed bool) {
	content, signed, ok := e.readDefinition(ctx, t.ID)
	if !ok {
		return signed
	}
	d, err := patch.Parse(content, nil)
	if err != nil {
		e.addf(CheckDefinition, Error, "%s is refused by Jamf Pro: %s", t.ID, describeInvalid(err))
		return signed
	}
	e.valid++
	if difference := e.disagreement(ctx, t, d); difference != "" {
		e.addf(CheckAgreement, Error, "%s: %s: Jamf Pro reads both, so make them equal, and clear caches in between",
			t.ID, difference)
	}
	if d.CurrentVersion != "" && d.CurrentVersion != d.Patches[0].Version {
		e.addf(CheckAgreement, Error, "%s: currentVersion is %s, and the first patch is %s: put the newest version "+
			"first",
			t.ID, quote(d.CurrentVersion), quote(d.Patches[0].Version))
	}
	warnings, err := patch.LintContext(ctx, d, &patch.LintOptions{Now: e.now()})
	if err == nil && len(warnings) > 0 {
		e.addf(CheckLint, Warning, "%s has %s; the first is at %s: %s",
			t.ID, plural(len(warnings), "warning"), warnings[0].Path, warnings[0].Message)
	}
	return signed
}

// readDefinition requests the definition of a title, and opens its envelope if it has one.
func (e *examination) readDefinition(ctx context.Context, id string) (content []byte, signed, ok bool) {
	a, err := e.get(ctx, "/patch/"+url.PathEscape(id), maxDefinitionBytes)
	switch {
	case err != nil:
		e.addf(CheckDefinition, Error, "%s cannot be read: %s", id, describe(err))
		return nil, false, false
	case a.redirected():
		return nil, false, false
	case a.status != http.StatusOK:
		e.addf(CheckDefinition, Error, "%s has status %d, want 200: the list names it, so the server must have it",
			id, a.status)
		return nil, false, false
	}
	body, err := a.decode(maxDefinitionBytes)
	if err != nil {
		e.addf(CheckDefinition, Error, "%s cannot be read: %s", id, describe(err))
		return nil, false, false
	}
	if !envelope.Is(body) {
		e.checkType(CheckType, "the definition of "+id, a.header)
		return body, false, true
	}
	opened, err := envelope.Open(body, &envelope.OpenOptions{Now: e.now()})
	if err != nil {
		e.addf(CheckSignature, Error, "%s: %v: sign it again", id, err)
		return nil, true, false
	}
	if opened.Expired {
		e.addf(CheckSignature, Warning, "%s: the certificate of the signer was not valid: renew it and sign again", id)
	}
	return opened.Content, true, true
}

// describeInvalid returns the first failures of a definition.
func describeInvalid(err error) string {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return describeSyntax(err)
	}
	var all []string
	for _, f := range invalid.Failures[:min(maxFailures, len(invalid.Failures))] {
		all = append(all, f.String())
	}
	if more := len(invalid.Failures) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

// disagreement returns how a definition and its entry in the list differ. If they do, both are read again, because the
// title may just have been changed.
func (e *examination) disagreement(ctx context.Context, t patch.Summary, d *patch.Definition) string {
	difference := compare(t, d)
	if difference == "" {
		return ""
	}
	list, err := e.get(ctx, "/software/"+url.PathEscape(t.ID), maxListBytes)
	if err != nil {
		return difference
	}
	body, err := list.decode(maxListBytes)
	if err != nil {
		return difference
	}
	for _, again := range summaries(body) {
		if again.ID == t.ID && again != t {
			content, _, ok := e.readDefinition(ctx, t.ID)
			if d, err := patch.Parse(content, nil); ok && err == nil {
				return compare(again, d)
			}
		}
	}
	return difference
}

// compare returns how a definition differs from its entry in the list.
func compare(t patch.Summary, d *patch.Definition) string {
	s := patch.Summary{
		ID:             d.ID,
		Name:           d.Name,
		Publisher:      d.Publisher,
		CurrentVersion: d.CurrentVersion,
		LastModified:   d.LastModified,
	}
	var all []string
	for i, pair := range [][2]string{
		{t.ID, s.ID},
		{t.Name, s.Name},
		{t.Publisher, s.Publisher},
		{t.CurrentVersion, s.CurrentVersion},
		{t.LastModified, s.LastModified},
	} {
		if pair[0] != pair[1] {
			all = append(all, fmt.Sprintf("%s is %s in the list and %s in the definition",
				members[i], quote(pair[0]), quote(pair[1])))
		}
	}
	return strings.Join(all, ", ")
}
