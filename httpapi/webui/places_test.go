package webui

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

func TestFind(t *testing.T) {
	const text = "{\n  \"id\": \"x\",\n  \"patches\": [\n    {\"version\": \"1\",\n     \"reboot\": 1},\n    {}\n  ],\n  \"a/b~c\": 1\n}\n"
	for _, c := range []struct {
		name, text, prefix string
		failures           []patch.Failure
		want               string // line: message, …
	}{
		{"a member", text, "", []patch.Failure{{Path: "/patches/0/reboot", Message: "m"}}, "5: m"},
		{"an object", text, "", []patch.Failure{{Path: "/patches/1", Message: "m"}}, "6: m"},
		{"what is missing is at what is around it", text, "", []patch.Failure{{Path: "/patches/1/version/deeper", Message: "m"}}, "6: m"},
		{"missing at the top", text, "", []patch.Failure{{Path: "/name", Message: "m"}}, "1: m"},
		{"escaped", text, "", []patch.Failure{{Path: "/a~1b~0c", Message: "m"}}, "8: m"},
		{"under a prefix", text, "/definition", []patch.Failure{{Path: "/definition/id", Message: "m"}}, "2: m"},
		{"the text itself, under a prefix", text, "/definition", []patch.Failure{{Path: "/definition", Message: "m"}}, "1: m"},
		{"several, in order", text, "", []patch.Failure{{Path: "/patches/0/reboot", Message: "b"}, {Path: "/id", Message: "a"}, {Path: "/id", Message: "c"}}, "2: a, 2: c, 5: b"},
		{"not of the text", text, "/definition", []patch.Failure{{Path: "/author_name", Message: "m"}}, "-: m"},
		{"where it stops being JSON", "{\n\"a\": 1,\n\"b\": oops\n}", "", []patch.Failure{{Path: "", Message: "m"}}, "3: m"},
		{"cut off", "{\n\"a\": 1,\n", "", []patch.Failure{{Path: "", Message: "m"}}, "3: m"},
		{"nothing at all", "", "", []patch.Failure{{Path: "", Message: "m"}}, "1: m"},
		{"one long line is given lines", `{"id":"x","long":"` + strings.Repeat("y", 500) + `","z":[1]}`, "", []patch.Failure{{Path: "/z/0", Message: "m"}}, "5: m"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := find([]byte(c.text), c.prefix, c.failures, nil)
			var got []string
			for _, n := range f.Notes {
				got = append(got, "-: "+n.Message)
			}
			for _, l := range f.Lines {
				for _, n := range l.Notes {
					got = append(got, fmt.Sprintf("%d: %s", l.Number, n.Message))
				}
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
}

// Lines far from anything said are left out, and what is left out is seen.
func TestExcerpt(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "line %d\n", i+1)
	}
	lines := excerpt([]byte(text.String()), map[int][]note{10: {{Message: "a"}}, 30: {{Message: "b"}}})
	var got []string
	for _, l := range lines {
		s := fmt.Sprint(l.Number)
		if l.Gap {
			s = "… " + s
		}
		if l.Notes != nil {
			s += "!"
		}
		got = append(got, s)
	}
	want := []string{"… 7", "8", "9", "10!", "11", "12", "13", "… 27", "28", "29", "30!", "31", "32", "33"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Whatever the text and whatever is said of it, everything that is said is shown, once.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}]}`), "/a/1/b", "")
	f.Add([]byte("{\"a\":\n\n"), "", "/definition")
	f.Add([]byte("\xff\xfe{}"), "/x", "")
	f.Add(bytes.Repeat([]byte("["), 500), "/0/0", "")
	f.Fuzz(func(t *testing.T, text []byte, path, prefix string) {
		found := find(
			text,
			prefix,
			[]patch.Failure{{Path: path, Message: "one"}},
			[]patch.Warning{{Path: path, Message: "two"}},
		)
		seen := map[string]int{}
		for _, n := range found.Notes {
			seen[n.Message]++
		}
		last := 0
		for _, l := range found.Lines {
			if l.Number <= last || l.Number > bytes.Count(readable(text), []byte("\n"))+1 {
				t.Errorf("line %d after %d", l.Number, last)
			}
			last = l.Number
			for _, n := range l.Notes {
				seen[n.Message]++
			}
		}
		if seen["one"] != 1 || seen["two"] != 1 {
			t.Errorf("%v", seen)
		}
	})
}

// What a stranger sends takes no more time and memory than its size.
func TestFindIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("1,", 20_000) + "1" + strings.Repeat("]", 9000)
	named := `{"` + strings.Repeat("n", 40_000) + `":[` + strings.Repeat("1,", 20_000) + `1]}`
	wide := strings.Repeat("[", 60) + strings.Repeat("1,", 5<<19) + "1" + strings.Repeat("]", 60)
	for name, text := range map[string]string{"deep": deep, "named": named, "wide": wide, "broken": named[:len(named)-1], "no JSON": strings.Repeat("x", 11<<20)} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f := find([]byte(text), "", []patch.Failure{{Path: "/a/b", Message: "m"}, {Path: "", Message: "n"}}, nil)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > uint64(4*len(text))+64<<20 {
				t.Errorf("%d bytes took %d bytes of memory", len(text), took)
			}
			shown := len(f.Text)
			for _, l := range f.Lines {
				shown += len(l.Text)
			}
			if shown > 20<<20 {
				t.Errorf("%d bytes are shown", shown)
			}
		})
	}
}

// However many things are wrong, all of them are said.
func TestAllIsSaid(t *testing.T) {
	var text strings.Builder
	var failures []patch.Failure
	text.WriteString("[\n")
	for i := range patch.MaxFailures {
		fmt.Fprintf(&text, "%s%d,\n", strings.Repeat("\n", 8), i)
		failures = append(failures, patch.Failure{Path: fmt.Sprintf("/%d", i), Message: "m"})
	}
	text.WriteString("0]\n")
	f := find([]byte(text.String()), "", failures, nil)
	n := len(f.Notes)
	for _, l := range f.Lines {
		n += len(l.Notes)
	}
	if n != len(failures) || len(f.Lines) > mostLines {
		t.Errorf("%d of %d are said, in %d lines", n, len(failures), len(f.Lines))
	}
}
