package recipe_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestRedacted(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"", ""},
		{"https://a.example/b?c=d&e=f#g", "https://a.example/b?c=d&e=f#g"},
		{"https://user:secret@a.example/b", "https://a.example/b"},
		{"https://user@a.example", "https://a.example"},
		{"https://u:p@a.example?x=1", "https://a.example?x=1"},
		{"https://a.example/@scope/b//c@d", "https://a.example/@scope/b//c@d"},
		{"https://a.example/?a=1&token=abc&b=2", "https://a.example/?a=1&token=REDACTED&b=2"},
		{"https://a.example/?Key=abc", "https://a.example/?Key=REDACTED"},
		{"https://a.example/?api_key=1&apikey=2&API-Key=3",
			"https://a.example/?api_key=REDACTED&apikey=REDACTED&API-Key=REDACTED"},
		{"https://a.example/?to%6Ben=1", "https://a.example/?to%6Ben=REDACTED"},
		{"https://a.example/?a=1;sig=2", "https://a.example/?a=1;sig=REDACTED"},
		{"https://a.example/?X-Amz-Signature=1&x-amz-date=2",
			"https://a.example/?X-Amz-Signature=REDACTED&x-amz-date=REDACTED"},
		{"https://a.example/?secret=1&password=2&auth=3&code=4&access_token=5",
			"https://a.example/?secret=REDACTED&password=REDACTED&auth=REDACTED&code=4&access_token=REDACTED"},
		{"https://a.example/?code=CL&latest=true&monkey=1", "https://a.example/?code=CL&latest=true&monkey=1"},
		{"https://a.example/?token=&token", "https://a.example/?token=&token"},
		{"https://a.example/?a=b=c&&token=d=e#f?token=g", "https://a.example/?a=b=c&&token=REDACTED#f?token=g"},
	} {
		f := recipe.Feed{Kind: "text", URL: c.url, Referer: c.url}
		got := f.Redacted()
		if got.URL != c.want || got.Referer != c.want {
			t.Errorf("%q is redacted to %q and %q, want %q", c.url, got.URL, got.Referer, c.want)
		}
		if f.URL != c.url {
			t.Errorf("Redacted changes the feed to %q", f.URL)
		}
		if err := got.KeepSecrets(f); err != nil || got.URL != c.url || got.Referer != c.url {
			t.Errorf("KeepSecrets restores %q, %v, want %q", got.URL, err, c.url)
		}
		r := recipe.Recipe{Name: "A", Feed: f}
		if shown := r.Redacted(); shown.Feed.URL != c.want || shown.Name != "A" || r.Feed.URL != c.url {
			t.Errorf("the recipe is redacted to %+v", shown)
		}
	}
}

func TestKeepSecrets(t *testing.T) {
	old := recipe.Feed{Kind: "json", URL: "https://u:p@a.example/b?token=abc", Version: "$.a"}
	for _, c := range []struct{ name, url, want, failure string }{
		{"as shown", "https://a.example/b?token=REDACTED", old.URL, ""},
		{"another value", "https://a.example/b?token=new", "https://a.example/b?token=new", ""},
		{"another host", "https://evil.example/b?token=REDACTED", "https://evil.example/b?token=REDACTED",
			"/feed/url: has a secret that was hidden when the address was shown: enter the value of token again"},
		{"another feed", "https://a.example/c", "https://a.example/c", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := recipe.Feed{Kind: "json", URL: c.url, Version: "$.b"}
			got := strings.Join(failures(t, f.KeepSecrets(old)), "\n")
			if f.URL != c.want || got != c.failure || f.Version != "$.b" {
				t.Errorf("the feed is %+v, the failures %q", f, got)
			}
		})
	}
}
