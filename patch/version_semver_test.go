package patch_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/patchsource/patchsource/patch"
)

// The words that decide in which class of differences two versions are.
var (
	developmentWords = words("dev snapshot nightly daily canary insider insiders internal experimental test wip")
	preReleaseWords  = words("prealpha alpha eap ea beta milestone preview pre prerelease next tp dp ctp rc cr " +
		"candidate gm gmc")
	otherKnownWords = words("u update p pl patch sp hf hotfix cu r f final ga release stable esr lts mac macos osx " +
		"universal intel apple silicon for seed gold golden master")
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// above reports whether a version with this first identifier is above the release, unlike in semver.
func above(id string) bool {
	return otherKnownWords[id] || len(id) == 1 || isNumeric(id)
}

func isNumeric(id string) bool { return strings.Trim(id, "0123456789") == "" }

// The classes S1 to S6 in which the order differs from semver's by design; see the doc comment of Version.
const (
	s1          = "S1: digits or hyphens within an identifier"
	s2          = "S2: development words are below alpha"
	s2Distance  = "S2: words of a pre-release are ordered by their distance from the release"
	s3          = "S3: a known pre-release word and another word"
	s3Qualifier = "S3: a word before a pre-release word"
	s4          = "S4: case is ignored"
	s5          = "S5: numbers, and words other than those of a pre-release, are above the release"
	s6          = "S6: build metadata breaks ties"
)

// allowedDifference returns the class in which two strict semantic versions may be ordered differently than in
// semver. It is empty if they may not.
func allowedDifference(a, b *semver.Version) string {
	if a.Prerelease() == b.Prerelease() {
		return s6
	}
	lower, other := strings.ToLower(a.String()), strings.ToLower(b.String())
	if lower != a.String() || other != b.String() {
		x, y := semver.MustParse(lower), semver.MustParse(other)
		if x.Compare(y) == patch.CompareVersions(lower, other) || allowedDifference(x, y) != "" {
			return s4
		}
		return ""
	}
	as, bs := strings.Split(a.Prerelease(), "."), strings.Split(b.Prerelease(), ".")
	i := 0
	for i < len(as) && i < len(bs) && as[i] == bs[i] {
		i++
	}
	if class := differentIdentifiers(as, bs, i); class != "" {
		return class
	}
	switch {
	case i > 0 && above(as[0]):
		return s5
	case hasQualifier(as), hasQualifier(bs):
		return s3Qualifier
	}
	return ""
}

// differentIdentifiers returns the class that follows from the first identifiers that differ, which are at an index.
func differentIdentifiers(as, bs []string, index int) string {
	known := 0
	for _, ids := range [][]string{as, bs} {
		if index >= len(ids) || ids[index] == "" {
			continue
		}
		switch id := ids[index]; {
		case !isNumeric(id) && strings.ContainsAny(id, "0123456789-"):
			return s1
		case developmentWords[id]:
			return s2
		case above(id) && (index == 0 || !isNumeric(id)):
			return s5
		case preReleaseWords[id]:
			known++
		}
	}
	return []string{"", s3, s2Distance}[known]
}

// hasQualifier reports whether a word precedes a pre-release word, as in "public.beta".
func hasQualifier(ids []string) bool {
	return slices.ContainsFunc(ids[1:], func(id string) bool {
		word := strings.TrimRight(id, "0123456789-")
		return preReleaseWords[word] || developmentWords[word]
	})
}

// TestVersionsAgainstSemver compares the order with that of Masterminds/semver on random strict semantic versions.
func TestVersionsAgainstSemver(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	identifiers := strings.Fields("alpha beta rc alpha beta rc foo zed csp bar 0 1 2 9 10 11 dev nightly preview " +
		"next final update p a b x RC Beta beta9 beta10 rc-1 20220201")
	random := func() string {
		v := fmt.Sprintf("%d.%d.%d", r.IntN(3), r.IntN(3), r.IntN(12))
		for i := range r.IntN(4) {
			v += string("-."[min(i, 1)]) + identifiers[r.IntN(len(identifiers))]
		}
		if r.IntN(8) == 0 {
			v += "+" + identifiers[r.IntN(len(identifiers))]
		}
		return v
	}
	classes := map[string]int{}
	same := 0
	for range 300_000 {
		s := [2]string{random(), random()}
		if r.IntN(2) == 0 { // the same release, so that the suffixes decide
			_, suffix, _ := strings.Cut(s[1], "-")
			release, _, _ := strings.Cut(strings.Split(s[0], "+")[0], "-")
			if s[1] = release; suffix != "" {
				s[1] += "-" + suffix
			}
		}
		a, errA := semver.StrictNewVersion(s[0])
		b, errB := semver.StrictNewVersion(s[1])
		if errA != nil || errB != nil {
			t.Fatalf("%q %q: %v %v", s[0], s[1], errA, errB)
		}
		want, got := a.Compare(b), patch.CompareVersions(s[0], s[1])
		if got == want {
			same++
			continue
		}
		class := allowedDifference(a, b)
		if class == "" {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d as in semver", s[0], s[1], got, want)
		}
		classes[class]++
	}
	if same < 200_000 || len(classes) < 6 {
		t.Errorf("%d comparisons are equal and %v differ, want at least 200,000 and 6 classes", same, classes)
	}
	t.Logf("%d alike, %v", same, classes)
}

// The order has the chain of semver.org, section 11.
func TestSemverChain(t *testing.T) {
	chain := strings.Fields("1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 " +
		"1.0.0-rc.1 1.0.0 1.0.1-foo.1 1.0.1-foo.2 1.0.1 1.2.0 1.10.0 2.0.0 10.0.0")
	for i := range chain {
		for j := range chain {
			if got, want := patch.CompareVersions(chain[i], chain[j]), cmp.Compare(i, j); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", chain[i], chain[j], got, want)
			}
		}
	}
}
