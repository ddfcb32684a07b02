package patch_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/patchsource/patchsource/patch"
)

// checkPair checks that the relation a op b holds in every form the package has.
func checkPair(t *testing.T, a, op, b string) bool {
	t.Helper()
	want := map[string]int{"<": -1, "=": 0, ">": 1}[op]
	v, w := patch.ParseVersion(a), patch.ParseVersion(b)
	ok := true
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"CompareVersions(a, b)", patch.CompareVersions(a, b), want},
		{"CompareVersions(b, a)", patch.CompareVersions(b, a), -want},
		{"Compare", v.Compare(w), want},
		{"Compare reversed", w.Compare(v), -want},
	} {
		if c.got != c.want {
			t.Errorf("%q %s %q: %s = %d, want %d", a, op, b, c.name, c.got, c.want)
			ok = false
		}
	}
	if want != 0 && patch.OrderVersions(a, b) != want {
		t.Errorf("OrderVersions(%q, %q) = %d, want %d", a, b, patch.OrderVersions(a, b), want)
		ok = false
	}
	return ok
}

func TestVersionGold(t *testing.T) {
	data, err := os.ReadFile("testdata/versions/gold.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		for _, op := range []string{"<", "="} {
			if a, b, ok := strings.Cut(line, " "+op+" "); ok {
				checkPair(t, a, op, b)
				n++
			}
		}
	}
	if n < 80 {
		t.Fatalf("only %d relations read", n)
	}
}

// What the rules of the order say beyond the gold list.
func TestVersionRules(t *testing.T) {
	for _, c := range [][3]string{
		{"1.0.0", "<", "1.0.0-final2"}, // a known word is no semver identifier
		{"78.15.0", "<", "78.15.0-esr2"},
		{"1.0.0-foo2", "<", "1.0.0"},
		{"1.0 universal b3", "<", "1.0"}, // what says nothing of age does not stand in front
		{"1.0 public (beta 2)", "<", "1.0"},
		{"1.0 (4567)", ">", "1.0"},
		{"1.0 é beta", ">", "1.0"}, // one letter is no qualifier
	} {
		checkPair(t, c[0], c[1], c[2])
	}
}

// tsv reads the first three columns of a compressed table.
func tsv(t testing.TB, name string) (rows [][]string) {
	t.Helper()
	f, err := os.Open("testdata/versions/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(io.Reader(z)); s.Scan(); {
		rows = append(rows, strings.Split(s.Text(), "\t"))
	}
	return rows
}

func TestVersionRelations(t *testing.T) {
	rows := tsv(t, "relations.tsv.gz")
	if len(rows) < 6000 {
		t.Fatalf("only %d rows read", len(rows))
	}
	for _, r := range rows {
		if !checkPair(t, r[1], "<", r[2]) {
			t.Log(r[3])
		}
	}
}

// TestVersionPairs compares version order with release dates. Some dates are
// wrong, which makes 99.8 % the ceiling.
func TestVersionPairs(t *testing.T) {
	rows := tsv(t, "pairs.tsv.gz")
	wrong := 0
	for _, r := range rows {
		if patch.OrderVersions(r[1], r[2]) >= 0 {
			wrong++
			if testing.Verbose() {
				t.Log(r)
			}
		}
	}
	share := 100 * float64(len(rows)-wrong) / float64(len(rows))
	t.Logf("%.3f %% of %d pairs in the order of their dates", share, len(rows))
	if share < 99.8 {
		t.Errorf("%.3f %% of the pairs, want at least 99.8 %%", share)
	}
}

func TestOrderVersions(t *testing.T) {
	// Each row is one version in several notations, in the strict order.
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
		t.Errorf("the zero Version is not that of the empty string: %d", c)
	}
}

// versionParts are what the random strings of the law tests are made of.
var versionParts = []string{
	"0",
	"00",
	"1",
	"2",
	"10",
	"07",
	"18446744073709551616",
	".",
	".",
	".",
	",",
	":",
	"-",
	"_",
	" ",
	"+",
	"(",
	")",
	"[",
	"]",
	"~",
	"v",
	"a",
	"b",
	"c",
	"d",
	"m",
	"fc",
	"beta",
	"alpha",
	"rc",
	"RC",
	"dev",
	"pre",
	"final",
	"esr",
	"public",
	"release",
	"candidate",
	"snapshot",
	"update",
	"u",
	"sp",
	"service pack",
	"p",
	"foo",
	"x86_64",
	"arm64",
	"x86",
	"é",
	"中",
	"–",
	"\u200b",
	"\xff",
	"１",
	"release candidate",
	"macos",
}

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

// checkLaws checks what makes an order of a comparison.
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
			t.Errorf("%s(%q, itself) is not 0", o.name, a)
		}
		if ab != -ba {
			t.Errorf("%s(%q, %q) = %d, reversed %d", o.name, a, b, ab, ba)
		}
		if ab <= 0 && bc <= 0 && ac > 0 || ab >= 0 && bc >= 0 && ac < 0 || ab == 0 && bc == 0 && ac != 0 {
			t.Errorf("%s is not transitive: %q %q %q: %d %d %d", o.name, a, b, c, ab, bc, ac)
		}
		if fast := o.text(a, b); fast != ab {
			t.Errorf("%s(%q, %q): of strings %d, of versions %d", o.name, a, b, fast, ab)
		}
	}
	if (va.Order(vb) == 0) != (a == b) {
		t.Errorf("Order(%q, %q) = %d", a, b, va.Order(vb))
	}
}

// go test ./patch -run TestVersionLaws -triples 100000000 -timeout 0
var (
	triples = flag.Int("triples", 100_000, "how many random triples TestVersionLaws looks at")
	seed    = flag.Uint64("seed", 1, "what TestVersionLaws makes them of")
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

// Classes in which the order may differ from semver's: S1 to S6 are those of the
// doc comment of Version. They are told by the first identifiers that differ.
var (
	developmentWords = words("dev snapshot nightly daily canary insider insiders internal experimental test wip")
	preReleaseWords  = words(
		"prealpha alpha eap ea beta milestone preview pre prerelease next tp dp ctp rc cr candidate gm gmc",
	)
	otherKnownWords = words(
		"u update p pl patch sp hf hotfix cu r f final ga release stable esr lts mac macos osx universal intel apple silicon for seed gold golden master",
	)
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// above reports whether an identifier in front is above the release, which semver
// has below it.
func above(id string) bool {
	return otherKnownWords[id] || len(id) == 1 || strings.Trim(id, "0123456789") == ""
}

// allowedDifference names the class in which two strict semantic versions may be
// ordered in another way than semver has it; empty: none.
func allowedDifference(a, b *semver.Version) string {
	if a.Prerelease() == b.Prerelease() {
		return "S6: build metadata breaks ties"
	}
	if lower, other := strings.ToLower(a.String()), strings.ToLower(b.String()); lower != a.String() ||
		other != b.String() {
		x, y := semver.MustParse(lower), semver.MustParse(other)
		if x.Compare(y) == patch.CompareVersions(lower, other) || allowedDifference(x, y) != "" {
			return "S4: case is folded"
		}
		return ""
	}
	as, bs := strings.Split(a.Prerelease(), "."), strings.Split(b.Prerelease(), ".")
	i := 0
	for i < len(as) && i < len(bs) && as[i] == bs[i] {
		i++
	}
	var differ []string // the first identifiers that differ, where there is one
	if i < len(as) && as[i] != "" {
		differ = append(differ, as[i])
	}
	if i < len(bs) && bs[i] != "" {
		differ = append(differ, bs[i])
	}
	known := 0
	for _, id := range differ {
		numeric := strings.Trim(id, "0123456789") == ""
		switch {
		case !numeric && strings.ContainsAny(id, "0123456789-"):
			return "S1: digits or hyphens within an identifier"
		case developmentWords[id]:
			return "S2: development words are below alpha"
		case above(id) && (i == 0 || !numeric):
			return "S5: numbers in front, and words that are no pre-release, are above the release"
		case preReleaseWords[id]:
			known++
		}
	}
	switch {
	case known == 1:
		return "S3: a known word of a pre-release against another"
	case known == 2:
		return "S2: words of a pre-release go by their distance from the release"
	}
	if i > 0 && above(as[0]) {
		return "S5: numbers in front, and words that are no pre-release, are above the release"
	}
	// A qualifier in front of a known word drops out, as in "public.beta".
	for _, ids := range [][]string{as, bs} {
		for j := 0; j+1 < len(ids); j++ {
			word := strings.TrimRight(ids[j+1], "0123456789-")
			if preReleaseWords[word] || developmentWords[word] {
				return "S3: a word in front of a known word of a pre-release"
			}
		}
	}
	return ""
}

// TestVersionsAgainstSemver holds the order against Masterminds/semver, on random
// strict semantic versions.
func TestVersionsAgainstSemver(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	identifiers := strings.Fields(
		"alpha beta rc alpha beta rc foo zed csp bar 0 1 2 9 10 11 dev nightly preview next final update p a b x RC Beta beta9 beta10 rc-1 20220201",
	)
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
		if r.IntN(2) == 0 { // of one release: there they differ
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
			t.Errorf("CompareVersions(%q, %q) = %d, semver says %d, and no class allows it", s[0], s[1], got, want)
		}
		classes[class]++
	}
	if same < 200_000 || len(classes) < 6 {
		t.Errorf("%d alike, and differences in %v: the test hardly tests", same, classes)
	}
	t.Logf("%d alike, %v", same, classes)
}

// The chain of semver.org, section 11, holds.
func TestSemverChain(t *testing.T) {
	chain := strings.Fields(
		"1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1-foo.1 1.0.1-foo.2 1.0.1 1.2.0 1.10.0 2.0.0 10.0.0",
	)
	for i := range chain {
		for j := range chain {
			if got, want := patch.CompareVersions(chain[i], chain[j]), cmp.Compare(i, j); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", chain[i], chain[j], got, want)
			}
		}
	}
}

func TestCompareVersionsAllocatesNothingOnPlainNumbers(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { patch.CompareVersions("149.0.7827.54", "149.0.7827.103") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { patch.OrderVersions("1.9", "1.9.0") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkVersions compares two versions, beside semver where that can. "times"
// is how many times as long semver takes.
func BenchmarkVersions(b *testing.B) {
	for _, c := range []struct{ name, x, y string }{
		{"plain", "149.0.7827.54", "149.0.7827.103"},
		{"plain, three numbers", "10.15.6", "10.15.7"},
		{"pre-release", "1.0.0-beta.2", "1.0.0-beta.11"},
		{"unusual", "27.0 Public Beta 9 (24A5500a)", "27.0 Release Candidate 2 (24A5510a)"},
	} {
		b.Run(c.name+"/strings", func(b *testing.B) {
			b.ReportAllocs()
			var theirs time.Duration
			n := 0
			for b.Loop() {
				patch.CompareVersions(c.x, c.y)
				n++
			}
			if _, err := semver.NewVersion(c.x); err == nil {
				ours := b.Elapsed()
				begun := time.Now()
				for range n {
					v, _ := semver.NewVersion(c.x)
					w, _ := semver.NewVersion(c.y)
					v.Compare(w)
				}
				theirs = time.Since(begun)
				b.ReportMetric(float64(theirs)/float64(ours), "times")
			}
		})
		b.Run(c.name+"/parsed", func(b *testing.B) {
			x, y := patch.ParseVersion(c.x), patch.ParseVersion(c.y)
			b.ReportAllocs()
			for b.Loop() {
				x.Compare(y)
			}
		})
	}
}
