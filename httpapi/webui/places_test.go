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
	const text = `{
  "id": "x",
  "patches": [
    {"version": "1",
     "reboot": 1},
    {}
  ],
  "a/b~c": 1
}
`
	at := func(path string) []patch.Failure { return []patch.Failure{{Path: path, Message: "m"}} }
	for _, test := range []struct {
		name, text, prefix string
		failures           []patch.Failure
		want               string // line: message, …
	}{
		{"a member", text, "", at("/patches/0/reboot"), "5: m"},
		{"an object", text, "", at("/patches/1"), "6: m"},
		{"a missing member is at the object", text, "", at("/patches/1/version/deeper"), "6: m"},
		{"missing at the top", text, "", at("/name"), "1: m"},
		{"escaped", text, "", at("/a~1b~0c"), "8: m"},
		{"under a prefix", text, "/definition", at("/definition/id"), "2: m"},
		{"the whole text, under a prefix", text, "/definition", at("/definition"), "1: m"},
		{
			"several, in order", text, "",
			[]patch.Failure{
				{Path: "/patches/0/reboot", Message: "b"}, {Path: "/id", Message: "a"}, {Path: "/id", Message: "c"},
			},
			"2: a, 2: c, 5: b",
		},
		{"not about the text", text, "/definition", at("/author_name"), "-: m"},
		{"a syntax error", "{\n\"a\": 1,\n\"b\": oops\n}", "", at(""), "3: m"},
		{"cut off", "{\n\"a\": 1,\n", "", at(""), "3: m"},
		{"an empty text", "", "", at(""), "1: m"},
		{
			"one long line is indented", `{"id":"x","long":"` + strings.Repeat("y", 500) + `","z":[1]}`, "", at("/z/0"),
			"5: m",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := find([]byte(test.text), test.prefix, test.failures, nil)
			var got []string
			for _, n := range f.Notes {
				got = append(got, "-: "+n.Message)
			}
			for _, l := range f.Lines {
				for _, n := range l.Notes {
					got = append(got, fmt.Sprintf("%d: %s", l.Number, n.Message))
				}
			}
			if s := strings.Join(got, ", "); s != test.want {
				t.Errorf("the notes are %q, want %q", s, test.want)
			}
		})
	}
}

// Lines that are far from any note are left out, with a gap in their place.
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
		t.Errorf("the lines differ (-want +got):\n%s", d)
	}
}

// For any text and any paths, each note is shown once.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}]}`), "/a/1/b", "")
	f.Add([]byte("{\"a\":\n\n"), "", "/definition")
	f.Add([]byte("\xff\xfe{}"), "/x", "")
	f.Add(bytes.Repeat([]byte("["), 500), "/0/0", "")
	f.Fuzz(func(t *testing.T, text []byte, path, prefix string) {
		found := find(text, prefix, []patch.Failure{{Path: path, Message: "one"}},
			[]patch.Warning{{Path: path, Message: "two"}})
		seen := map[string]int{}
		for _, n := range found.Notes {
			seen[n.Message]++
		}
		last := 0
		for _, l := range found.Lines {
			if l.Number <= last || l.Number > bytes.Count(readable(text), []byte("\n"))+1 {
				t.Errorf("line %d follows line %d", l.Number, last)
			}
			last = l.Number
			for _, n := range l.Notes {
				seen[n.Message]++
			}
		}
		if seen["one"] != 1 || seen["two"] != 1 {
			t.Errorf("the notes are shown %v times", seen)
		}
	})
}

// The time and memory that find needs are proportional to the size of the text.
func TestFindIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("1,", 20_000) + "1" + strings.Repeat("]", 9000)
	named := `{"` + strings.Repeat("n", 40_000) + `":[` + strings.Repeat("1,", 20_000) + `1]}`
	wide := strings.Repeat("[", 60) + strings.Repeat("1,", 5<<19) + "1" + strings.Repeat("]", 60)
	for name, text := range map[string]string{
		"deep":     deep,
		"named":    named,
		"wide":     wide,
		"broken":   named[:len(named)-1],
		"not JSON": strings.Repeat("x", 11<<20),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f := find([]byte(text), "", []patch.Failure{{Path: "/a/b", Message: "m"}, {Path: "", Message: "n"}}, nil)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > uint64(4*len(text))+64<<20 {
				t.Errorf("a text of %d bytes needed %d bytes of memory", len(text), used)
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

// All notes are shown, however many they are.
func TestManyNotes(t *testing.T) {
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
	if n != len(failures) || len(f.Lines) > maxLines {
		t.Errorf("%d of %d notes are shown, in %d lines", n, len(failures), len(f.Lines))
	}
}
