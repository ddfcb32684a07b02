package browser_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The documentation can be searched and read, with and without scripts, and leads to the calls of the API.
func TestDocs(t *testing.T) {
	s := start(t)
	b := s.open()
	b.visit("/publish")
	b.click("header nav a[href$='/docs']")
	b.sees("Start here")
	b.fill("#q", "acme certificate")
	b.click("header form button")
	b.sees("Let's Encrypt")
	b.click(".found a")
	b.sees("On this page")
	if at := eval[string](b, `location.pathname + location.hash`); at != "/docs/server#https" {
		t.Errorf("the first result leads to %s", at)
	}
	b.until("the table of contents shows the section", func() bool {
		return eval[string](b, `(document.querySelector("aside [aria-current]") || {}).textContent || ""`) == "HTTPS"
	})
	if n := eval[int](b, `document.querySelectorAll(".code button:not([hidden])").length`); n < 5 {
		t.Errorf("%d blocks of code can be copied, want 5 or more", n)
	}

	b.visit("/docs/recipes")
	b.do(chromedp.SendKeys(chromedp.CSS("#recipe"), "ZOOM us."))
	b.sees("1 of 342 recipes")
	b.press("Zoom")
	b.sees("ZoomInstallerIT.pkg")

	// A link to a call from the time when the API reference was the only documentation.
	b.visit("/docs#/feeds/post%20%2Fapi%2Fv1%2Frecipes%2Ftest")
	b.sees("Try it out")
	if at := eval[string](b, `location.pathname`); at != "/docs/api" {
		t.Errorf("the link to the call leads to %s", at)
	}
	if text := b.text(); !strings.Contains(text, "/api/v1/recipes/test") {
		t.Errorf("the API reference shows %.500s", text)
	}
}
