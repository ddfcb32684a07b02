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
		{"https://a.example/?a=b=c&&token=d=e#f?token=g", "https://a.example/?a=b=c&&token=REDACTED#f?token=REDACTED"},
		{"https://a.example/?license_key=1&private_key=2&session_id=3&product=4",
			"https://a.example/?license_key=REDACTED&private_key=REDACTED&session_id=REDACTED&product=4"},
		{"https://a.example/?serial=1&hmac=2&bearer=3&passphrase=4&x-ms-sig=5",
			"https://a.example/?serial=REDACTED&hmac=REDACTED&bearer=REDACTED&passphrase=REDACTED&x-ms-sig=REDACTED"},
		{"https://a.example/?token[0]=1&auth[token]=2&token%5B1%5D=3&auth[]=4",
			"https://a.example/?token[0]=REDACTED&auth[token]=REDACTED&token%5B1%5D=REDACTED&auth[]=REDACTED"},
		{"https://a.example/?licenseKey=1&PHPSESSIONID=2&myToken=3&dbpass=4",
			"https://a.example/?licenseKey=REDACTED&PHPSESSIONID=REDACTED&myToken=REDACTED&dbpass=REDACTED"},
		{"https://a.example/?token=a/b?c=d", "https://a.example/?token=REDACTED"},
		{"https://a.example/b#access_token=1&x=2", "https://a.example/b#access_token=REDACTED&x=2"},
		{"https://a.example/b;token=1/c;v=2?d=e", "https://a.example/b;token=REDACTED/c;v=2?d=e"},
		{"https://a.example/key=1/c", "https://a.example/key=REDACTED/c"},
		{"https://a.example/?version=1&os=mac&design=2&tokens=3&keyboard=de&osx_version=4",
			"https://a.example/?version=1&os=mac&design=2&tokens=3&keyboard=de&osx_version=4"},
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

// The Referer is sent to the host of the URL: its secrets go to no other.
func TestKeepSecretsOfReferer(t *testing.T) {
	const hidden = "/feed/referer: has a secret that was hidden when the address was shown"
	old := recipe.Feed{
		Kind: "json", URL: "https://a.example/b?token=abc", Referer: "https://u:p@a.example/r?key=abc", Version: "$.a",
	}
	plain := recipe.Feed{Kind: "json", URL: "https://a.example/b", Referer: "https://a.example/r"}
	account := recipe.Feed{Kind: "json", URL: "https://a.example/b", Referer: "https://u:p@a.example/r"}
	none := recipe.Feed{Kind: "github", Repo: "a/b", Referer: "https://a.example/r?key=abc"}
	for _, c := range []struct {
		name    string
		old     recipe.Feed
		url     string
		want    string // the Referer
		failure string // part of the failure; if empty, there is none
	}{
		{"as shown", old, "https://a.example/b?token=REDACTED", old.Referer, ""},
		{"another path", old, "https://A.example/c", old.Referer, ""},
		{"another host", old, "https://evil.example/b", "https://a.example/r?key=REDACTED", hidden},
		{"another port", old, "https://a.example:8443/b", "https://a.example/r?key=REDACTED", hidden},
		{"another scheme", old, "http://a.example/b", "https://a.example/r?key=REDACTED", hidden},
		{"an address that is none", old, "https://a.example:b/", "https://a.example/r?key=REDACTED", hidden},
		{"no address", old, "", "https://a.example/r?key=REDACTED", hidden},
		{"no secret", plain, "https://evil.example/b", plain.Referer, ""},
		{"a password", account, "https://evil.example/b", "https://a.example/r", "enter it again, or remove it"},
		{"an address instead of a repository", none, "https://evil.example/b", "https://a.example/r?key=REDACTED",
			hidden},
		{"still no address", none, "", none.Referer, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.old.Redacted()
			f.URL = c.url
			got := failures(t, f.KeepSecrets(c.old))
			if f.Referer != c.want || len(got) > 1 || !strings.Contains(strings.Join(got, ""), c.failure) ||
				(len(got) == 0) != (c.failure == "") {
				t.Errorf("the feed is %+v, the failures %q, want %q", f, got, c.failure)
			}
		})
	}
}

// A failure of an address does not show its password.
func TestAddressFailuresHideSecrets(t *testing.T) {
	for _, address := range []string{
		"https://admin:pa55word/x@a.example/",
		"https://admin:pa55%zzword@a.example/",
		"https://admin:pa55 word@a.example/",
		"https://admin:pa55<word@a.example/",
		"ftp://admin:5566/x@a.example/",
		"//admin:5566/x@a.example/",
		"admin:pa55word@a.example/",
		"https:admin:pa55word@a.example/",
		"https://[pa55word]:x/",
		"pa55word",
	} {
		w := recipe.Watch{Feed: recipe.Feed{Kind: "text", URL: address}}
		err := w.Validate()
		if err == nil {
			t.Errorf("%s is valid", address)
			continue
		}
		for _, secret := range []string{"55", "zz", "66"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the failure of %s shows its secret: %v", address, err)
			}
		}
	}
}
