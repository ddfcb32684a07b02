package patch_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/Masterminds/semver/v3"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

func TestConstraint(t *testing.T) {
	for _, c := range []struct{ constraint, allowed, refused string }{ // versions are separated by |
		{">= 1.2, < 2", "1.2|1.2.0|v1.9.9|1.9.9.9|1.2 (4567)|1.2u5",
			"1.1.9|2|2.0.0|2.1|1.3.0-beta.1|1.2b1|2.0b1|latest|"},
		{">=1.2 <2", "1.2|1.9", "1.1|2"},
		{"=> 1.2 , =< 2", "1.2|2|2.9.9", "1.1|3"},
		{"~1.4 || ^2.1", "1.4|1.4.9|2.1|2.9", "1.5|2|3|1.3"},
		{">= 149.0.7827.54", "149.0.7827.54|149.0.7827.103|150", "149.0.7827.53|149|148.9"},
		{"< 149.0.7827.54", "149.0.7827.53|149", "149.0.7827.54|150"},
		{">= 8u171", "8u171|8u202|8u302-b08|11", "8u92|8|7u999"},
		{"= 8u171", "8u171|8 Update 171|8U171", "8u172|8"},
		{">= 2024-01-15, < 2025", "2024-01-15|2024-02-01|2024-12-31", "2024-01-14|2024|2025|2025-01-01"},
		{"1.2", "1.2|1.2.0|1.2.9|1.2.0.1", "1.3|1|1.2b1"},
		{"1.2.3", "1.2.3|1.2.3.0|v1.2.3", "1.2.3.1|1.2.4|1.2.3 (4)|1.2.3-rc1"},
		{"= 1.2.3", "1.2.3", "1.2.30"},
		{"1.x", "1|1.0|1.99.1", "2|0.9|2.0b1"},
		{"1.2.X", "1.2|1.2.7", "1.3"},
		{"1.2.3.*", "1.2.3|1.2.3.4", "1.2.4|1.2.2.9"},
		{"1.x.3", "1.5", "2"},
		{"*", "1|0|latest|||8u171", "1.0b1"},
		{">= *", "1", "1.0b1"},
		{"!= 1.2", "1.1|1.3|latest", "1.2|1.2.7"},
		{"!= 1.2.3", "1.2.4|1.2.3.1", "1.2.3|01.2.3"},
		{"> 1.2", "1.3|2", "1.2|1.2.9|1"},
		{"> 1.2.3", "1.2.3.1|1.2.4", "1.2.3|1.2.2"},
		{"<= 1.2", "1.2|1.2.9|1", "1.3"},
		{"<= 1.2.3", "1.2.3|1", "1.2.3.1"},
		{"< 1.2", "1.1.9", "1.2|1.2.0.1"},
		{"~1", "1|1.9", "2"},
		{"~> 1.2.3", "1.2.3|1.2.9.9", "1.3|1.2.2"},
		{"^1.2.3", "1.2.3|1.9|1.2.3.4", "2|1.2.2"},
		{"^0.2.3", "0.2.3|0.2.9", "0.3|0.2.2"},
		{"^0.0.3", "0.0.3|0.0.3.1", "0.0.4|0.1"},
		{"^0.0", "0.0.9", "0.1"},
		{"^0", "0.9", "1"},
		{"^149.0.7827.54", "149.0.7827.54|149.1", "150|149.0.7827.53"},
		{"1.2 - 1.4.5", "1.2|1.4.5|1.3.9", "1.4.6|1.1"},
		{"1.2 - 1.4", "1.4.9", "1.5"},
		{"1.0 - 2 || >= 5, < 6", "1.5|2.9|5.5", "3|6"},
		{">= 1.2b2, < 2", "1.2b2|1.2b10|1.2|1.3b1|2.0b1", "1.2b1|1.2a9|2"},
		{">= 1.2-0", "1.2|1.2b1|1.2a1|1.3.0-beta.1|1.2-dev", "1.1"},
		{">= 1.2-0, < 2-0", "1.2b1|1.9", "2.0b1|2|1.1"},
		{"~1.2-0", "1.2b1|1.2.9b1", "1.3b1"},
		{"1.x-0", "1.0b1|1.9", "2.0b1|0.9"},
		{"^ 1.2.3-beta.2", "1.2.3-beta.2|1.2.3|1.9.0-beta.1", "1.2.3-beta.1|2"},
		{"= 1.2.3-0", "1.2.3-0", "1.2.3|1.2.3b1"},
		{">= v1.2", "1.2|v1.2", "v1.1"},
		{">= 2020.10, != 2020.10.4", "2020.10|2020.11", "2020.9|2020.10.4"},
	} {
		k, err := patch.ParseConstraint(c.constraint)
		if err != nil {
			t.Errorf("ParseConstraint(%q) = %v", c.constraint, err)
			continue
		}
		if k.String() != c.constraint {
			t.Errorf("String() = %q, want %q", k, c.constraint)
		}
		for _, v := range strings.Split(c.allowed, "|") {
			if !k.Check(v) {
				t.Errorf("%q refuses %q", c.constraint, v)
			}
		}
		for _, v := range strings.Split(c.refused, "|") {
			if k.Check(v) {
				t.Errorf("%q allows %q", c.constraint, v)
			}
		}
	}
}

func TestParseConstraintErrors(t *testing.T) {
	for _, bad := range []string{
		"", " ", "newest", "1 &&& 2", ">", ">= ", "1,", ",1", "1,,2", "1 ||", "|| 1", "1 | 2", ">> 1", "=!1",
		">=1<2", "(>= 1)", "1 - ", "- 1", "1 - 2 - 3", "> 1 - 2", "1 - < 2", "1 -2", "x.foo", "foo.x", "1b3.x",
		"~latest", "1.2*",
		strings.Repeat("1 ", 300),
	} {
		if c, err := patch.ParseConstraint(bad); !errors.Is(err, patch.ErrConstraint) {
			t.Errorf("ParseConstraint(%q) = %v, %v, want ErrConstraint", bad, c, err)
		}
	}
}

func TestZeroConstraintAllowsEverything(t *testing.T) {
	var none *patch.Constraint
	if !none.Check("1.0b1") || !new(patch.Constraint).Check("") {
		t.Error("a constraint without comparisons refuses a version")
	}
}

// TestConstraintsAgainstSemver compares constraints with those of Masterminds/semver on random strict semantic versions
// that both packages order alike.
func TestConstraintsAgainstSemver(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	version := func(parts int) string {
		numbers := make([]string, parts)
		for i := range numbers {
			numbers[i] = fmt.Sprint(r.IntN(4))
		}
		v := strings.Join(numbers, ".")
		if r.IntN(4) == 0 {
			v += []string{"-alpha.1", "-beta.2", "-rc", "-0"}[r.IntN(4)]
		}
		return v
	}
	comparison := func() string {
		operand := version(1 + r.IntN(3))
		if r.IntN(6) == 0 && !strings.Contains(operand, "-") && strings.Count(operand, ".") < 2 {
			operand += []string{".x", ".*"}[r.IntN(2)]
		}
		return []string{"", "=", "!=", ">", "<", ">=", "<=", "~", "^", "~>"}[r.IntN(10)] + operand
	}
	same, skipped := 0, 0
	for range 60_000 {
		parts := []string{comparison()}
		for range r.IntN(3) {
			parts = append(parts, []string{", ", " ", " || "}[r.IntN(3)], comparison())
		}
		text := strings.Join(parts, "")
		if r.IntN(8) == 0 {
			text = version(1+r.IntN(3)) + " - " + version(1+r.IntN(3))
		}
		v := strings.TrimSuffix(version(3), "-0")
		want, err := semver.NewConstraint(text)
		if err != nil {
			t.Fatalf("semver.NewConstraint(%q): %v", text, err)
		}
		ours, err := patch.ParseConstraint(text)
		if err != nil {
			t.Fatal(err)
		}
		if differentByDesign(text) {
			skipped++
			continue
		}
		if got := ours.Check(v); got != want.Check(semver.MustParse(v)) {
			t.Errorf("%q: Check(%q) = %v, semver says %v", text, v, got, !got)
			continue
		}
		same++
	}
	if same < 30_000 {
		t.Errorf("only %d constraints compared", same)
	}
	t.Logf("%d alike, %d skipped", same, skipped)
}

// differentByDesign reports whether a comparison of a constraint has another meaning for Masterminds/semver: a
// pre-release with fewer than three numbers, which that package treats as a range in some comparisons; ~0.0.0, which
// it treats as any version; and -0, which is an identifier like others.
func differentByDesign(constraint string) bool {
	isSeparator := func(r rune) bool { return strings.ContainsRune(" ,|", r) }
	return slices.ContainsFunc(strings.FieldsFunc(constraint, isSeparator), func(comparison string) bool {
		operand := strings.TrimLeft(comparison, "=!<>~^")
		release, suffix, _ := strings.Cut(operand, "-")
		if strings.HasPrefix(comparison, "~") && release == "0.0.0" {
			return true
		}
		return suffix == "0" || suffix != "" && strings.Count(release, ".") < 2
	})
}

// FuzzConstraint checks the laws of constraints with one comparison: their relation to the order of versions, and to
// each other.
func FuzzConstraint(f *testing.F) {
	f.Add("1.2.3.4", "8u171")
	f.Add("1.0b3", "1.0.0b3")
	f.Add("2024-01-15", "latest")
	f.Fuzz(func(t *testing.T, operand, v string) {
		patchtest.Bounded(t, len(operand)+len(v), func() {
			if c, err := patch.ParseConstraint(operand); err == nil {
				c.Check(v)
			}
		})
		if strings.ContainsAny(operand, ",|-=!<>~^xX*") || strings.ContainsFunc(operand, unicode.IsSpace) {
			return // not one version
		}
		allowed := map[string]bool{}
		for _, operator := range []string{"=", "!=", "<", "<=", ">", ">="} {
			c, err := patch.ParseConstraint(operator + operand)
			if err != nil {
				return
			}
			allowed[operator] = c.Check(v)
		}
		if every, err := patch.ParseConstraint("*"); err != nil || !every.Check(v) && !allowed[">="] && !allowed["<"] {
			return // v is a pre-release, and operand is not
		}
		order := patch.CompareVersions(v, operand)
		checkComparisons(t, fmt.Sprintf("CompareVersions(%q, %q) = %d", v, operand, order), order, allowed)
	})
}

// checkComparisons checks what each operator allows, given the order of the version and the operand.
func checkComparisons(t *testing.T, what string, order int, allowed map[string]bool) {
	t.Helper()
	for _, law := range []struct {
		text  string
		holds bool
	}{
		{">= follows from the order", allowed[">="] == (order >= 0)},
		{"< follows from the order", allowed["<"] == (order < 0)},
		{"!= is the opposite of =", allowed["!="] != allowed["="]},
		{"> is the opposite of <=", allowed[">"] != allowed["<="]},
		{"= excludes > and <", !allowed["="] || !allowed[">"] && !allowed["<"]},
		{"> excludes <", !allowed[">"] || !allowed["<"]},
	} {
		if !law.holds {
			t.Errorf("%s: %s does not hold: %v", what, law.text, allowed)
		}
	}
}
