package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store/memstore"
)

// The whole definition is that of one moment: a version is in it once.
func TestWholeDefinitionIsOfOneMoment(t *testing.T) {
	b := newBench(t, memstore.New())
	d := definition("App", "2", "1")
	d = strings.ReplaceAll(d, `"components":[],"capabilities":[]`, ""+
		`"components":[{"name":"x","version":"1",`+
		`"criteria":[{"name":"Application Version","operator":"is","value":"1","type":"recon"}]}],`+
		`"capabilities":[{"name":"Operating System Version","operator":"is","value":"1","type":"recon"}]`)
	require(t, b.asAdmin("POST", "/api/v1/title", d), 201)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			_, err := b.catalog.EditNumbered(t.Context(), "App", func(n *numbered.Title) error {
				n.Definition.Patches[0].Disabled = !n.Definition.Patches[0].Disabled
				return nil
			}, nil)
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	wrong := 0
	example := ""
	for range 2000 {
		w := b.asAdmin("GET", "/api/v1/titles/App?disabled=1", "")
		var d struct{ Patches []struct{ Version string } }
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if len(d.Patches) != 2 || d.Patches[0].Version == d.Patches[1].Version {
			wrong++
			example = w.Body.String()
		}
	}
	stop.Store(true)
	<-done
	if wrong > 0 {
		t.Errorf("%d of 2000 answers are inconsistent, such as %s", wrong, example)
	}
}

// The definition of the title that is evaluated counts in the budget.
func TestEvaluatedTitleCounts(t *testing.T) {
	b := newBench(t, memstore.New())
	var versions []string
	for i := range 9000 {
		versions = append(versions, strings.Repeat("x", 100)+string(rune('a'+i%26))+time.Duration(i).String())
	}
	post := func(path, token, body string, budget *httpapi.Budget) *httptest.ResponseRecorder {
		h := newHandler(t, b.catalog, &httpapi.Options{
			Authenticate: httpapi.BearerTokens(b.auth), Budget: budget, Now: func() time.Time { return b.now },
		})
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	require(t, post("/api/v1/title", b.admin, definition("Big", versions...), nil), 201)
	title, err := b.catalog.Title("Big")
	if err != nil {
		t.Fatal(err)
	}
	budget := newBudget(t)
	for _, address := range []string{"192.0.2.7:1", "198.51.100.7:1"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		_, leave, err := budget.Enter(r, 4<<20-200<<10)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
	}
	// 400 KiB of 8 MiB are left.
	w := post("/api/v1/evaluate", "", `{"title":"Big","computers":[{}]}`, budget)
	if title.Bytes < 500<<10 || w.Code != 503 {
		t.Errorf("evaluated %d KiB while 400 KiB are left: status %d, want 503", title.Bytes>>10, w.Code)
	}
}

// A large answer about computers waits for room, as every large answer does.
func TestEvaluateAnswerCounts(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	budget := newBudget(t)
	for i := range 64 {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = fmt.Sprintf("198.51.%d.7:1", i)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // it is full after some
		leave, err := budget.EnterAnswer(httptest.NewRecorder(), r.WithContext(ctx), 8<<20)
		cancel()
		if err == nil {
			defer leave()
		}
	}
	h := newHandler(t, b.catalog, &httpapi.Options{
		Authenticate: httpapi.BearerTokens(b.auth), Budget: budget, Now: func() time.Time { return b.now },
	})
	for computers, want := range map[int]int{1: 200, 20_000: 503} {
		body := `{"title":"App","computers":[` + strings.Repeat("{},", computers-1) + `{}]}`
		r := httptest.NewRequest("POST", "/api/v1/evaluate", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+b.token(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d computers: status %d: %.200s, want %d", computers, w.Code, w.Body, want)
		}
	}
}
