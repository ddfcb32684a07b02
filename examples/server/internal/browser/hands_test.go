package browser_test

import (
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Hands are a way to work with a page: with the mouse, or with the keyboard alone.
type hands interface {
	// press uses the link, button or summary of the page that has a text, or an accessible name that begins with it.
	press(text string)
	// typeInto replaces what is in the field that a CSS selector matches.
	typeInto(selector, text string)
	// choose chooses an option of a select by its text.
	choose(selector, option string)
	// check uses a checkbox or a radio button.
	check(selector string)
}

// find is a script that returns the link, button or summary with a text. What is hidden, or inside a closed details,
// cannot be used.
const find = `(text => {
	const all = ["main", "header"].flatMap(part => [...document.querySelectorAll(part + " :is(a, button, summary)")]);
	const label = e => (e.getAttribute("aria-label") || e.textContent).replace(/\s+/g, " ").trim();
	const usable = all.filter(e => e.checkVisibility());
	return usable.find(e => label(e) === text) || usable.find(e => label(e).startsWith(text + " "));
})`

// A mouse clicks.
type mouse struct{ *tab }

// mark marks the element that a script returns, and returns a selector for it.
func (b *tab) mark(script string) string {
	b.t.Helper()
	const marked = "data-test-target"
	b.until("the page has "+script, func() bool {
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`(() => {
			for (const old of document.querySelectorAll("[`+marked+`]")) old.removeAttribute("`+marked+`");
			const e = `+script+`;
			if (e) e.setAttribute("`+marked+`", "");
			return !!e;
		})()`))
		return err == nil && found
	})
	return "[" + marked + "]"
}

func (m mouse) press(text string) {
	m.t.Helper()
	m.click(m.mark(find + "(" + quote(text) + ")"))
}

func (m mouse) typeInto(selector, text string) {
	m.t.Helper()
	m.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	m.click(selector)
	eval[bool](m.tab, fmt.Sprintf(`(document.querySelector(%s).select(), true)`, quote(selector)))
	m.enter(text)
}

func (m mouse) choose(selector, option string) {
	m.t.Helper()
	m.click(selector)
	m.enter(option) // a select takes what is typed
	m.key("Enter", 13)
}

func (m mouse) check(selector string) {
	m.t.Helper()
	m.click(selector)
}

// A keyboard goes from field to field with the Tab key.
type keyboard struct{ *tab }

// reach presses Tab until the element that a script returns has the focus.
func (k keyboard) reach(script string) {
	k.t.Helper()
	target := k.mark(script)
	for range 600 {
		if eval[bool](k.tab, `document.activeElement.matches(`+quote(target)+`)`) {
			return
		}
		k.key("Tab", 9)
	}
	k.t.Fatalf("the Tab key does not lead to %s; the page shows: %.1500s", script, k.text())
}

func (k keyboard) press(text string) {
	k.t.Helper()
	k.reach(find + "(" + quote(text) + ")")
	k.key("Enter", 13)
}

func (k keyboard) typeInto(selector, text string) {
	k.t.Helper()
	k.reach("document.querySelector(" + quote(selector) + ")")
	eval[bool](k.tab, `(document.activeElement.select(), true)`) // as Control and A do
	k.enter(text)
}

func (k keyboard) choose(selector, option string) {
	k.t.Helper()
	k.reach("document.querySelector(" + quote(selector) + ")")
	k.enter(option)
}

func (k keyboard) check(selector string) {
	k.t.Helper()
	k.reach("document.querySelector(" + quote(selector) + ")")
	k.key(" ", 32)
}

// enter types a text into what has the focus. An empty text deletes what is selected.
func (b *tab) enter(text string) {
	b.t.Helper()
	if text == "" {
		b.key("Backspace", 8)
		return
	}
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.key("Enter", 13)
		}
		b.do(chromedp.KeyEvent(line))
	}
}

// key presses a key.
func (b *tab) key(name string, code int64) {
	b.t.Helper()
	text := map[string]string{"Enter": "\r", " ": " "}[name]
	for _, kind := range []input.DispatchKeyEventType{
		input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp,
	} {
		params := input.DispatchKeyEventParams{Type: kind, Key: name, Code: name, WindowsVirtualKeyCode: code}
		if name == " " {
			params.Code = "Space"
		}
		if kind == input.DispatchKeyEventTypeKeyDown {
			params.Text = text
		}
		_, err := cdp.Call(b.ctx, b.target(), input.DispatchKeyEvent, params)
		b.must(err)
	}
}
