package cli

import (
	"io"
	"testing"
)

func TestParseUnknownFlags(t *testing.T) {
	type flags struct {
		Addr      string
		Store     string
		Import    string
		Community bool `default:"true" negatable:""`
		Short     bool `short:"s"`
	}
	p := Program{Name: "x", Mistakes: Mistakes{"port": "use --addr"}}
	for _, c := range []struct{ name, arg, want string }{
		{"explained", "--port", "there is no flag --port: use --addr"},
		{"explained, with a value", "--port=1", "there is no flag --port: use --addr"},
		{"near", "--comunity", "there is no flag --comunity: did you mean --community?"},
		{"near, switched off", "--no-comunity", "there is no flag --no-comunity: did you mean --no-community?"},
		{"the nearest", "--stor", "there is no flag --stor: did you mean --store?"},
		{"near by chance", "--sport", "there is no flag --sport: did you mean --short?"},
		{"near nothing", "--export-all", "there is no flag --export-all"},
		{"a letter", "-p", `unknown flag -p, did you mean one of "-h", "-s"?`},
		{"no name", "--=x", "there is no flag --"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Parse(&flags{}, p, []string{c.arg}, io.Discard)
			if err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"store", "store", 0}, {"stroe", "store", 2}, {"stor", "store", 1}, {"stores", "store", 1},
		{"store", "stare", 1}, {"trusted-proxy", "trusted-proxies", 3}, {"", "x", 1}, {"a", "abcdef", 6},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
