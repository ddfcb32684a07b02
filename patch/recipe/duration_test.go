package recipe_test

import (
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		out  string
	}{
		{"0h", 0, "0s"},
		{"48h", 48 * time.Hour, "48h"},
		{"2d", 48 * time.Hour, "48h"},
		{"10m", 10 * time.Minute, "10m"},
		{"1h20m", 80 * time.Minute, "1h20m"},
		{"90s", 90 * time.Second, "1m30s"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"},
	} {
		var d recipe.Duration
		if err := d.UnmarshalText([]byte(c.text)); err != nil || time.Duration(d) != c.want || d.String() != c.out {
			t.Errorf("%q is %v (%q), %v, want %v (%q)", c.text, time.Duration(d), d, err, c.want, c.out)
		}
	}
	for _, text := range []string{"", "48", "d", "-2d", "1.5d", "70000d", "1w"} {
		var d recipe.Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted as %v", text, d)
		}
	}
}
