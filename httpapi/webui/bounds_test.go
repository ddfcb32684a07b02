package webui_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// A largeCatalog has titles of 8 MiB.
type largeCatalog struct{ *fakeCatalog }

func (largeCatalog) Bytes(string) int64 { return 8 << 20 }

// slowForm begins to send a form. It returns when the page has begun to read it, or has answered.
func slowForm(t *testing.T, h http.Handler, path, address, token string, size int64) {
	t.Helper()
	body, out := io.Pipe()
	r := httptest.NewRequest("POST", path, body)
	r.ContentLength, r.RemoteAddr = size, address
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasSuffix(path, "/edit") || strings.HasSuffix(path, "/version") {
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x") // files
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if token != "" {
		r.Header.Set("Cookie", "patchsource_token="+token)
	}
	var group sync.WaitGroup
	answered := make(chan struct{})
	group.Go(func() {
		h.ServeHTTP(httptest.NewRecorder(), r)
		_ = body.Close() // later writes fail
		close(answered)
	})
	t.Cleanup(func() { _ = out.Close(); group.Wait() })
	begun := make(chan struct{})
	go func() { _, _ = out.Write([]byte("a=")); close(begun) }()
	select {
	case <-begun:
	case <-answered:
	}
}

// A form that arrives slowly does not hold a turn to work.
func TestSlowFormsHoldNoTurn(t *testing.T) {
	for _, c := range []struct{ path, token string }{
		{"/titles/x/token", ""},
		{"/titles/x/edit", "title"},
		{"/titles/x/version", "title"},
		{"/titles/x/history/1/restore", "title"},
	} {
		t.Run(c.path, func(t *testing.T) {
			budget, err := httpapi.NewBudget(nil)
			if err != nil {
				t.Fatal(err)
			}
			h := newPage(largeCatalog{oneTitle()}, &webui.Options{API: tokensAPI(nil), Budget: budget})
			for i := range 2 {
				slowForm(t, h, c.path, fmt.Sprintf("192.0.2.%d:1", i+1), c.token, 1000)
			}
			_, leave, err := budget.Enter(httptest.NewRequest("GET", "/", nil), 1)
			if err != nil {
				t.Fatalf("two slow forms hold all of the budget for work: %v", err)
			}
			leave()
		})
	}
}

// The budget limits the size of forms: of each, by whether the visitor has signed in, and of all together.
func TestFormsAreBounded(t *testing.T) {
	budget, err := httpapi.NewBudget(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newPage(oneTitle(), &webui.Options{API: tokensAPI(nil), Budget: budget, Publishing: true})
	large := "text=" + strings.Repeat("a", 2<<20)
	if w := send(h, "POST", "/publish", large); w.Code != 413 && w.Code != 400 {
		t.Errorf("2 MiB of an anonymous visitor: the status is %d, want 413 or 400", w.Code)
	}
	var sending sync.WaitGroup
	for i := range 20 {
		sending.Go(func() { slowForm(t, h, "/signin", fmt.Sprintf("192.0.2.%d:1", i/4+1), "", 1<<20) })
	}
	sending.Wait()
	if w := send(h, "POST", "/signin", strings.Repeat("a", 100<<10)); w.Code != 503 ||
		w.Header().Get("Retry-After") == "" {
		t.Errorf("one more large form: the status is %d, want 503", w.Code)
	}
	if w := send(h, "POST", "/signin", "token=admin"); w.Code != 303 {
		t.Errorf("a small form beside many large ones: the status is %d, want 303: %s", w.Code, w.Body)
	}
}
