package linear

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/patchsource/patchsource/store/memstore"
)

// history returns the history of three workers in this process over one store, each with a decorator of its own.
func history(t *testing.T, fault string) *History {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	h, s := &History{}, memstore.New()
	var all sync.WaitGroup
	for i := range 3 {
		r, w := io.Pipe()
		all.Go(func() {
			if err := h.Read(r); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if err := Work(ctx, Broken(fault, s), fmt.Sprint(i), w); err != nil {
				t.Error(err)
			}
			_ = w.Close()
		})
	}
	all.Wait()
	return h
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		fault string
		want  porcupine.CheckResult
	}{
		{"", porcupine.Ok},
		{"late", porcupine.Illegal},
		{"conflict", porcupine.Illegal},
	} {
		t.Run("fault "+c.fault, func(t *testing.T) {
			h := history(t, c.fault)
			results, err := h.Check(10 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, r := range results {
				found = found || r == c.want
				if c.fault == "" && r != porcupine.Ok {
					t.Errorf("the results are %v, want Ok for all", results)
				}
			}
			if !found || len(results) != keys {
				t.Errorf("the results are %v for the calls %v, want %s for one of %d",
					results, h.Counts(), c.want, keys)
			}
		})
	}
}

// lines returns a history of lines of JSON.
func lines(t *testing.T, text string) *History {
	t.Helper()
	h := &History{}
	if err := h.Read(strings.NewReader(strings.ReplaceAll(text, "'", `"`))); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestUnknownOutcomes(t *testing.T) {
	const put = `{'call':{'id':'1','op':'put','key':'a','value':'1','at':1}}
{'result':{'id':'1','outcome':'unknown','at':2}}
`
	get := func(id int, outcome, value string) string {
		return fmt.Sprintf(`{'call':{'id':'get %d','op':'get','key':'a','at':%d}}
{'result':{'id':'get %[1]d','outcome':'%[3]s','value':'%[4]s','at':%[2]d}}
`, id, 10*id, outcome, value)
	}
	for _, c := range []struct {
		name, text string
		want       porcupine.CheckResult
	}{
		{"without an effect", put + get(1, "not found", ""), porcupine.Ok},
		{"with an effect", put + get(1, "ok", "1"), porcupine.Ok},
		{"with a late effect", put + get(1, "not found", "") + get(2, "ok", "1"), porcupine.Ok},
		{"with an effect that goes", put + get(1, "ok", "1") + get(2, "not found", ""), porcupine.Illegal},
		{"another value", put + get(1, "ok", "2"), porcupine.Illegal},
		{"that was killed", strings.SplitAfter(put, "\n")[0] + get(1, "ok", "1"), porcupine.Ok},
		{"a part of a line", put + "{'call':", porcupine.Ok},
	} {
		results, err := lines(t, c.text).Check(time.Second)
		if err != nil || results["a"] != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, results["a"], err, c.want)
		}
	}
}

// Two Deletes of one record succeed only if that is allowed, and if they have no condition.
func TestRacyDeletes(t *testing.T) {
	const text = `{'call':{'id':'1','op':'put','key':'a','value':'1','at':1}}
{'result':{'id':'1','outcome':'ok','revision':'r','at':2}}
{'call':{'id':'2','op':'delete','key':'a',IF'at':3}}
{'call':{'id':'3','op':'delete','key':'a',IF'at':3}}
{'result':{'id':'2','outcome':'ok','at':4}}
{'result':{'id':'3','outcome':'ok','at':4}}`
	for _, c := range []struct {
		condition string
		racy      bool
		want      porcupine.CheckResult
	}{
		{"", true, porcupine.Ok},
		{"", false, porcupine.Illegal},
		{"'if':'r',", true, porcupine.Illegal},
	} {
		h := lines(t, strings.ReplaceAll(text, "IF", c.condition))
		h.RacyDeletes = c.racy
		results, err := h.Check(time.Second)
		if err != nil || results["a"] != c.want {
			t.Errorf("%+v: %v, %v", c, results["a"], err)
		}
	}
}

func TestRevisionsThatAreUsedTwice(t *testing.T) {
	for _, text := range []string{
		`{'call':{'id':'1','op':'put','key':'a','value':'1','at':1}}
{'result':{'id':'1','outcome':'ok','revision':'r','at':2}}
{'call':{'id':'2','op':'put','key':'a','value':'2','at':3}}
{'result':{'id':'2','outcome':'ok','revision':'r','at':4}}`,
		`{'call':{'id':'1','op':'put','key':'a','value':'1','at':1}}
{'result':{'id':'1','outcome':'ok','revision':'r','at':2}}
{'call':{'id':'2','op':'get','key':'a','at':3}}
{'result':{'id':'2','outcome':'ok','value':'1','revision':'s','at':4}}`,
	} {
		if _, err := lines(t, text).Check(time.Second); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

func TestLinesThatAreNotJSON(t *testing.T) {
	if err := new(History).Read(strings.NewReader("x\n{}\n")); err == nil {
		t.Error("a line that is not JSON is accepted")
	}
}
