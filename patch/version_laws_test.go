package patch_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

func TestOrderVersions(t *testing.T) {
	// Each row has notations of one version, in the order of OrderVersions.
	for _, row := range [][]string{
		{"1", "1.0", "1.0.0"},
		{"1.9", "1.9.0"},
		{"01.0", "1.0", "V1.0", "v1.0"},
		{"1.0-beta.3", "1.0b3", "1.0.0b3"},
		{"\xff", "\xff\xff"},
		{"", " "},
	} {
		for i := range row {
			for j := range row {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if c := patch.CompareVersions(row[i], row[j]); c != 0 {
					t.Errorf("CompareVersions(%q, %q) = %d, want 0", row[i], row[j], c)
				}
				if c := patch.OrderVersions(row[i], row[j]); c != want {
					t.Errorf("OrderVersions(%q, %q) = %d, want %d", row[i], row[j], c, want)
				}
			}
		}
	}
}

func TestZeroVersion(t *testing.T) {
	if c := (patch.Version{}).Order(patch.ParseVersion("")); c != 0 {
		t.Errorf("Order of the zero Version and that of the empty string = %d, want 0", c)
	}
}

// versionParts are parts of random version strings.
var versionParts = []string{
	"0", "00", "1", "2", "10", "07", "18446744073709551616", ".", ".", ".", ",", ":", "-", "_", " ", "+", "(", ")", "[",
	"]", "~", "v", "a", "b", "c", "d", "m", "fc", "beta", "alpha", "rc", "RC", "dev", "pre", "final", "esr", "public",
	"release", "candidate", "snapshot", "update", "u", "sp", "service pack", "p", "foo", "x86_64", "arm64", "x86", "é",
	"中", "–", "\u200b", "\xff", "１", "release candidate", "macos",
}

// randomVersion returns a string of random parts, perhaps in a real version.
func randomVersion(r *rand.Rand, real [][]string) string {
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteString(real[r.IntN(len(real))][1+r.IntN(2)])
	}
	for range r.IntN(6) {
		b.WriteString(versionParts[r.IntN(len(versionParts))])
	}
	s := b.String()
	if s != "" && r.IntN(4) == 0 {
		i := r.IntN(len(s))
		s = s[:i] + versionParts[r.IntN(len(versionParts))] + s[i:]
	}
	return s
}

// checkLaws checks that the comparisons of three versions are reflexive, antisymmetric and transitive, and that the
// forms for strings and for parsed versions agree.
func checkLaws(t *testing.T, a, b, c string) {
	t.Helper()
	va, vb, vc := patch.ParseVersion(a), patch.ParseVersion(b), patch.ParseVersion(c)
	for _, o := range []struct {
		name string
		cmp  func(patch.Version, patch.Version) int
		text func(string, string) int
	}{
		{"Compare", patch.Version.Compare, patch.CompareVersions},
		{"Order", patch.Version.Order, patch.OrderVersions},
	} {
		ab, ba, bc, ac := o.cmp(va, vb), o.cmp(vb, va), o.cmp(vb, vc), o.cmp(va, vc)
		if o.cmp(va, va) != 0 {
			t.Errorf("%s(%q, %q) is not 0", o.name, a, a)
		}
		if ab != -ba {
			t.Errorf("%s(%q, %q) = %d, reversed %d", o.name, a, b, ab, ba)
		}
		if !transitive(ab, bc, ac) {
			t.Errorf("%s is not transitive: %q %q %q: %d %d %d", o.name, a, b, c, ab, bc, ac)
		}
		if fast := o.text(a, b); fast != ab {
			t.Errorf("%s(%q, %q) = %d for strings, %d for versions", o.name, a, b, fast, ab)
		}
	}
	if (va.Order(vb) == 0) != (a == b) {
		t.Errorf("Order(%q, %q) = %d", a, b, va.Order(vb))
	}
}

// transitive reports whether the comparisons of a with b, b with c and a with c are consistent.
func transitive(ab, bc, ac int) bool {
	switch {
	case ab == 0 && bc == 0:
		return ac == 0
	case ab <= 0 && bc <= 0:
		return ac <= 0
	case ab >= 0 && bc >= 0:
		return ac >= 0
	}
	return true
}

// Run more triples with: go test ./patch -run TestVersionLaws -triples 100000000 -timeout 0
var (
	triples = flag.Int("triples", 100_000, "number of random triples that TestVersionLaws checks")
	seed    = flag.Uint64("seed", 1, "seed of the random triples of TestVersionLaws")
)

func TestVersionLaws(t *testing.T) {
	real := tsv(t, "pairs.tsv.gz")
	r := rand.New(rand.NewPCG(*seed, 2))
	for range *triples {
		checkLaws(t, randomVersion(r, real), randomVersion(r, real), randomVersion(r, real))
	}
}

func FuzzVersionLaws(f *testing.F) {
	f.Add("1.0.0", "1.0.0 (12)", "1.0.0-rc.1")
	f.Add("2.1", "02.4", "2")
	f.Add("1.0p1", "v1.0", "1.0.0.0")
	f.Add("1.", "1..2", ".1")
	f.Add("((((", "[1", "1[")
	f.Add("x86", "arm64 1", "1 arm64")
	f.Fuzz(checkLaws)
}
