package patch_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/patchsource/patchsource/patch"
)

// checkOracle checks that two versions are ordered as the first implementation orders them.
func checkOracle(t *testing.T, a, b string) {
	t.Helper()
	v, w := parseOracle(a), parseOracle(b)
	compare, order := v.compare(&w), v.order(&w)
	x, y := patch.ParseVersion(a), patch.ParseVersion(b)
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"CompareVersions", patch.CompareVersions(a, b), compare},
		{"CompareVersions reversed", patch.CompareVersions(b, a), -compare},
		{"OrderVersions", patch.OrderVersions(a, b), order},
		{"Compare", x.Compare(y), compare},
		{"Order", x.Order(y), order},
	} {
		if c.got != c.want {
			t.Errorf("%s of %q and %q = %d, want %d", c.name, a, b, c.got, c.want)
		}
	}
}

func TestVersionOracle(t *testing.T) {
	pairs, relations := tsv(t, "pairs.tsv.gz"), tsv(t, "relations.tsv.gz")
	r := rand.New(rand.NewPCG(*seed, 3))
	for _, rows := range [][][]string{pairs, relations} {
		for _, row := range rows {
			checkOracle(t, row[1], row[2])
			checkOracle(t, row[1], rows[r.IntN(len(rows))][2])
		}
	}
	for range *triples {
		a := randomVersion(r, pairs)
		checkOracle(t, a, randomVersion(r, pairs))
		checkOracle(t, a, mutated(r, a))
	}
}

// mutated returns a version string with a small difference, so that the first parts of its key are often equal.
func mutated(r *rand.Rand, s string) string {
	part := versionParts[r.IntN(len(versionParts))]
	i := 0
	if s != "" {
		i = r.IntN(len(s) + 1)
	}
	switch r.IntN(4) {
	case 0:
		return s[:i] + part + s[i:]
	case 1:
		return s[:i] + s[min(len(s), i+1):]
	case 2:
		return strings.ToUpper(s) + part
	}
	return s + part
}

func FuzzVersionOracle(f *testing.F) {
	f.Add("1.0 public (beta 2)", "1.0+pre alpha")
	f.Add("1.0.0-foo.1", "1.0.0_1 x86_64b")
	f.Add("macOS X86_64 v1", "a\x01 b")
	f.Add("1.0 (a) esr [b]+c", "1.0 esr (a) [b] +c")
	f.Add("版本１．０–ｂ3", "1.0 service pack 2")
	f.Fuzz(checkOracle)
}

// Every character is read as the first implementation read it, in each place where it may matter.
func TestVersionCharacters(t *testing.T) {
	step := rune(1)
	for r := rune(0); r <= unicode.MaxRune; r += step {
		if r == 0x3000 {
			step = 31 // nearly all the others are alike
		}
		s := string(r)
		checkOracle(t, "1"+s+"2", "1é2")
		checkOracle(t, s, strings.ToLower(s))
	}
	for _, invalid := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\xe2\x80"} {
		checkOracle(t, "1"+invalid+"2", "1 2")
		checkOracle(t, invalid, "é")
	}
}

// usualVersions are pairs of version strings of all kinds.
var usualVersions = []struct{ name, a, b string }{
	{"plain", "149.0.7827.54", "149.0.7827.103"},
	{"plain, short", "10.15.6", "10.15.7"},
	{"plain, equal", "26.0.1.1234", "26.0.1.1234"},
	{"pre-release", "1.0.0-beta.2", "1.0.0-beta.11"},
	{"pre-release, short", "1.0b3", "1.0b4"},
	{"pre-release and its version", "2.0.0rc1", "2.0.0"},
	{"update", "8u171", "8u181"},
	{"build in a bracket", "16.84.1 (24042118)", "16.84.1 (24042223)"},
	{"neutral word", "78.15.0esr", "78.15.0"},
	{"build metadata", "17.0.1.0.1+12", "17.0.1.0.1+13"},
	{"leading words", "macOS Sonoma 14.4.1 (23E224)", "macOS Sonoma 14.4.1 (23E225)"},
	{"unusual", "27.0 Public Beta 9 (24A5500a)", "27.0 Release Candidate 2 (24A5510a)"},
	{"unusual, late difference", "27.0 Public Beta 9 for macOS (24A5500a)", "27.0 Public Beta 9 for macOS (24A5500b)"},
	{"no digit", "Hasty Things Done Hastily Again and Again", "Hasty Things Done Hastily Again and again."},
	{"beyond ASCII", "版本 2.1–β3 （4567）", "版本 2.1–β3 （4568）"},
	{"forty letters", strings.Repeat("ab.", 12) + "1.2a", strings.Repeat("ab.", 12) + "1.2b"},
}

func TestComparisonsDoNotAllocate(t *testing.T) {
	check := func(name, a, b string) {
		for _, c := range []struct {
			name string
			of   func(a, b string) int
		}{{"CompareVersions", patch.CompareVersions}, {"OrderVersions", patch.OrderVersions}} {
			if n := testing.AllocsPerRun(100, func() { c.of(a, b) }); n != 0 {
				t.Errorf("%s of %s makes %v allocations, want none", c.name, name, n)
			}
		}
	}
	for _, v := range usualVersions {
		check(v.name, v.a, v.b)
	}
	long := strings.Repeat("1.0 Public Beta (4567) ", 1000)
	check("long strings", long+"a", long+"b")
}

func BenchmarkCompareVersions(b *testing.B) {
	for _, v := range usualVersions {
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				patch.CompareVersions(v.a, v.b)
			}
		})
	}
}
