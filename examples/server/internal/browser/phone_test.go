package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// findHidden is a script that returns what a visitor with a phone cannot see: elements that are cut off at an edge of
// the page, except code in a box that scrolls, and code that is covered by a Copy button.
const findHidden = `(() => {
	const wrong = [];
	const width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) wrong.push("the page is wider than the window");
	for (const e of document.querySelectorAll("a, button, input, select, textarea, th, td, dd, p, code")) {
		const box = e.getBoundingClientRect();
		if (box.width <= 1 || e.closest(".skip")) continue; // for screen readers
		const outside = box.right > width + 0.5 || box.left < -0.5;
		if (outside && !e.closest("pre, .source")) wrong.push("cut off: " + e.outerHTML.slice(0, 120));
	}
	for (const button of document.querySelectorAll("button.copy")) {
		const own = button.getBoundingClientRect();
		for (const code of document.querySelectorAll("pre, pre code")) {
			if (own.width === 0) continue;
			const range = document.createRange();
			range.selectNodeContents(code);
			const visible = code.closest("pre").getBoundingClientRect();
			for (const line of range.getClientRects()) {
				const right = Math.min(line.right, visible.right), bottom = Math.min(line.bottom, visible.bottom);
				const covers = own.left < right && own.right > line.left && own.top < bottom && own.bottom > line.top;
				if (covers) wrong.push("Copy covers " + code.innerText.slice(0, 60));
			}
		}
	}
	return [...new Set(wrong)].slice(0, 10);
})()`

// On a phone, nothing is cut off, and no Copy button covers code.
func TestPhone(t *testing.T) {
	s := start(t, "--allow-private-networks")
	s.createMany(3)
	s.create(definition("Firefox", "Mozilla Firefox with a name that is quite long", "149.0.7827.54", "148.0"))
	s.call("POST", "/api/v1/titles/Firefox/versions", versionJSON("149.0.7827.103"))
	s.call("POST", "/api/v1/subscribe", `{"id":"Far","json_url":"`+s.url+`/api/v1/titles/Nope"}`)
	s.call("POST", "/api/v1/webhooks",
		`{"url":"https://hooks.example.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXX","secret":"a long secret"}`)
	s.call("POST", "/api/v1/tokens", `{"titles_in_scope":["Firefox"],"expires_in_days":7}`)
	s.publish("Ann Bell", "ann@example.com", definition("Slack", "Slack", "1"))
	s.call("POST", "/api/v1/contributors/register", `{"name":"macman","email":"mac@example.com"}`)
	s.call("GET", s.mailedLink("mac@example.com"), "")
	vendor := startVendor(t, "1.0")
	s.watch("T00000", vendor.url+"?channel=a-channel-with-a-name-that-is-quite-long", "")
	vendor.release("2026.1.2")
	s.call("POST", "/api/v1/titles/T00000/watch/check", "")
	b := s.open()
	b.signIn(s.token())
	check := func(name string, width int64) {
		for _, wrong := range eval[[]string](b, findHidden) {
			t.Errorf("%s at %d pixels: %s", name, width, wrong)
		}
		b.picture(fmt.Sprintf("%s-%d", name, width))
	}
	for _, size := range []struct{ width, height int64 }{{360, 740}, {1280, 900}} {
		b.do(chromedp.EmulateViewport(size.width, size.height))
		for name, path := range map[string]string{
			"table": "/", "title": "/titles/Firefox", "publish": "/publish", "contributors": "/contributors",
			"lost": "/contributors/token", "signin": "/signin", "nothing": "/nope",
			"version": "/titles/Firefox/version", "edit": "/titles/Firefox/edit",
			"history": "/titles/Firefox/history/1", "token": "/titles/Slack_Ann_Bell/token",
			"upload": "/upload", "tokens": "/tokens", "sources": "/sources", "webhooks": "/webhooks",
			"backup": "/backup", "feeds": "/feeds", "feeds-new": "/feeds/new", "proposals": "/proposals",
			"watched": "/titles/T00000", "watch": "/titles/T00000/watch",
		} {
			b.visit(path)
			check(name, size.width)
		}
		b.visit("/tokens")
		b.click("td a.danger")
		b.sees("Revoke the token")
		check("revoke", size.width)
		b.visit("/webhooks")
		b.click(`a[href$="/deliveries"]`)
		b.sees("Retry")
		check("deliveries", size.width)
		b.visit("/webhooks")
		b.press("Delete")
		b.sees("Delete the webhook?")
		check("delete-webhook", size.width)
	}
}

// picture writes a picture of the page if screenshotsVar names a folder.
func (b *tab) picture(name string) {
	b.t.Helper()
	folder := os.Getenv(screenshotsVar)
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600)
	}
	b.must(err)
}
