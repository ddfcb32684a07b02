package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// ErrForm means that the patch of a new version cannot be made from the one before, because that does not name its own
// version where Jamf Pro looks for it. The title needs a template (Policy.Patch).
var ErrForm = errors.New("the patch of a new version cannot be made")

// NextPatch returns the patch of a release. It is that of the title's newest version with the version replaced
// wherever it is (see [patch.Patch.NextVersion]), with the release's date, or now if it has none, and with its minimum
// macOS version, if it has one; so is a capability on the version of macOS that had the old one. If the watch has a
// template, the patch is made from that, and newest may be nil.
//
// The error is [ErrForm] if no criterion of the patch says the new version, or if one still says the old version as
// a part of another value. It is a *[patch.ValidationError] if the result of the template is invalid. Otherwise the
// result is not validated.
func NextPatch(newest *patch.Patch, w *Watch, r Release, now time.Time) (patch.Patch, error) {
	if r.Version == "" {
		return patch.Patch{}, fmt.Errorf("%w: the release has no version", ErrForm)
	}
	if w != nil && w.Policy.Patch != nil {
		if newest != nil {
			r.MinOS = cmp.Or(r.MinOS, newest.MinimumOperatingSystem)
		}
		r.MinOS = cmp.Or(r.MinOS, DefaultMinimumOS)
		return w.Policy.patch(r, now)
	}
	if newest == nil {
		return patch.Patch{}, fmt.Errorf("%w: the title has no version to make it from", ErrForm)
	}
	p := newest.NextVersion(r.Version, released(r, now))
	if r.MinOS != "" {
		for i := range p.Capabilities {
			if c := &p.Capabilities[i]; c.Name == osVersion && sameVersion(c.Value, p.MinimumOperatingSystem) {
				c.Value = r.MinOS
			}
		}
		p.MinimumOperatingSystem = r.MinOS
	}
	return p, checkCriteria(&p, newest.Version)
}

// sameVersion reports whether two texts are the same version, such as 11 and 11.0.
func sameVersion(a, b string) bool {
	return a == b || a != "" && b != "" && patch.CompareVersions(a, b) == 0
}

// osVersion is the criterion on the version of macOS.
const osVersion = "Operating System Version"

// checkCriteria checks that a patch that was made from an earlier version names its own and not the earlier one.
func checkCriteria(p *patch.Patch, old string) error {
	named := false
	for _, component := range p.Components {
		for _, c := range component.Criteria {
			named = named || c.Value == p.Version
			if c.Value != p.Version && c.Name != osVersion && mentions(c.Value, old) {
				return fmt.Errorf("%w: the criterion %q of version %q is %q, of which the version is only a part; "+
					"give the watch a template (patch) with {version}", ErrForm, shorten(c.Name), shorten(old),
					shorten(c.Value))
			}
		}
	}
	if !named {
		return fmt.Errorf("%w: no criterion of the components of version %q has this version as its value; "+
			"give the watch a template (patch) with {version}", ErrForm, shorten(old))
	}
	return nil
}

// mentions reports whether a value has a version as a part, as it is or as a regular expression writes it. A version
// without a separator, such as 7, is not looked for: it may be anything.
func mentions(value, version string) bool {
	if !strings.ContainsAny(version, ".-_ ") {
		return false
	}
	return hasWord(value, version) || hasWord(value, regexp.QuoteMeta(version))
}

// hasWord reports whether s has a word that is not a part of a longer word or number.
func hasWord(s, word string) bool {
	for at := 0; ; {
		i := strings.Index(s[at:], word)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(word)
		if !(start > 0 && wordByte(s[start-1])) && !(end < len(s) && wordByte(s[end])) {
			return true
		}
		at = start + 1
	}
}

func wordByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b >= 0x80
}
