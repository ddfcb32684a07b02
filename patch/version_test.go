package patch_test

import (
	"bufio"
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/patchsource/patchsource/patch"
)

// checkPair checks the relation a op b with each function that compares versions, and reports whether it holds.
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
		t.Fatalf("read %d relations, want at least 80", n)
	}
}

// TestVersionRules checks rules that the gold list does not cover.
func TestVersionRules(t *testing.T) {
	for _, c := range [][3]string{
		{"1.0.0", "<", "1.0.0-final2"}, // a known word is not an identifier as in semver
		{"78.15.0", "<", "78.15.0-esr2"},
		{"1.0.0-foo2", "<", "1.0.0"},
		{"1.0 universal b3", "<", "1.0"}, // a neutral word does not count as the first
		{"1.0 public (beta 2)", "<", "1.0"},
		{"1.0 (4567)", ">", "1.0"},
		{"1.0 é beta", ">", "1.0"}, // a single letter is not a qualifier
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
	for s := bufio.NewScanner(z); s.Scan(); {
		rows = append(rows, strings.Split(s.Text(), "\t"))
	}
	return rows
}

func TestVersionRelations(t *testing.T) {
	rows := tsv(t, "relations.tsv.gz")
	if len(rows) < 6000 {
		t.Fatalf("read %d rows, want at least 6000", len(rows))
	}
	for _, r := range rows {
		if !checkPair(t, r[1], "<", r[2]) {
			t.Log(r[3])
		}
	}
}

// TestVersionPairs compares version order with release dates. Some dates are wrong, so that no order can reach 100 %.
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

func TestPlainNumbersDoNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { patch.CompareVersions("149.0.7827.54", "149.0.7827.103") }); n != 0 {
		t.Errorf("CompareVersions makes %v allocations, want none", n)
	}
	if n := testing.AllocsPerRun(100, func() { patch.OrderVersions("1.9", "1.9.0") }); n != 0 {
		t.Errorf("OrderVersions makes %v allocations, want none", n)
	}
}

// BenchmarkVersions compares two versions. If Masterminds/semver can parse them, "times" is the ratio of its time to
// ours.
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
