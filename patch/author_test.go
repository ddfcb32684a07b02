package patch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

func TestCheckAuthor(t *testing.T) {
	for _, c := range []struct{ name, author, says string }{
		{"plain", "Bryson", ""},
		{"with marks", "José Núñez", ""},
		{"decomposed", "Jose\u0301 Nu\u0301n\u0303ez", ""},
		{"white space around", "  Ann Lee ", ""},
		{"punctuation", "O'Brien & Sons, Ltd.", ""},
		{"Azerbaijani", "Əliyev Məmmədov", ""},
		{"digits and Cyrillic", "Мария1", ""},
		{"Japanese", "日本のカナ1", ""},
		{"as long as may be", strings.Repeat("a", patch.MaxAuthorLength), ""},
		{"too long", strings.Repeat("a", patch.MaxAuthorLength+1), "101 bytes"},
		{"empty", "", "letter or digit"},
		{"nothing for an id", "中文", "letter or digit"},
		{"NUL", "a\x00b", "U+0000"},
		{"line break", "a\nb", "U+000A"},
		{"right-to-left override", "a\u202Eb", "U+202E"},
		{"zero width joiner", "a\u200Db", "U+200D"},
		{"no UTF-8", "\xff", "UTF-8"},
		{"Cyrillic among Latin", "G\u043Eogle", "Cyrillic and Latin"},
		{"Greek among Latin", "G\u03BFogle", "Greek and Latin"},
		{"Han and Latin", "李 Li", "Han and Latin"},
		{"Hangul and Hiragana", "한の1", "Hangul and Hiragana"},
		{"full-width", "Ｇoogle", "full-width"},
		{"a ligature", "ﬁrefox", "full-width"},
		{"letters of other Latin alphabets", "Łukasz Škoda, Đặng Ștefan ǚ", ""},
		{"parentheses", "x) (Google", "parentheses"},
		{"full-width parentheses", "x） （Google", "parentheses"},
		{"a phonetic letter", "g\u1d11ogle", "usual Latin"},
		{"a letter with a bar", "goog\u019ae", "usual Latin"},
		{"a click", "goog\u01c0e", "usual Latin"},
		{"a double o", "g\ua74fgle", "usual Latin"},
		{"a pile of marks", "Z" + strings.Repeat("\u0301", 9), "marks"},
		{"a variation selector", "Google\uFE0F", "variation selector"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := patch.CheckAuthor(c.author)
			d := title(t, "1")
			namespaced := d.Namespace(c.author)
			switch {
			case c.says == "" && (err != nil || namespaced != nil):
				t.Errorf("%v; Namespace: %v", err, namespaced)
			case c.says != "" && (!errors.Is(err, patch.ErrAuthor) || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want ErrAuthor that says %q", err, c.says)
			case c.says != "" && (!errors.Is(namespaced, patch.ErrAuthor) || d.ID != "a" || d.Name != "A"):
				t.Errorf("Namespace: %v, %s", namespaced, d.Name)
			}
		})
	}
}

// An author of a stored title is not held against rules that came later.
func TestNamespaceStored(t *testing.T) {
	d := title(t, "1")
	if err := d.NamespaceStored("李 Li"); err != nil || d.ID != "a__Li" || d.Name != "A (李 Li)" {
		t.Errorf("%v, %s, %s", err, d.ID, d.Name)
	}
}

// A name of megabytes costs nothing.
func TestLongAuthorsAreRefusedFirst(t *testing.T) {
	long := strings.Repeat("é", 800_000)
	allocated := testing.AllocsPerRun(10, func() {
		if patch.CheckAuthor(long) == nil {
			t.Error("accepted")
		}
		if _, err := patch.AuthorID(long); err == nil {
			t.Error("accepted")
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestSkeleton(t *testing.T) {
	for _, group := range [][]string{
		{"Google", "google", "GOOGLE", "Goog1e", "GoogIe", "Goog|e", "G\u043E\u043Egle", "G\u03BFogle", "Ｇｏｏｇｌｅ",
			"Go ogle", "Go_o-g.le", "Göögle", "Go\u0301ogle", "g00gle", "ɢᴏᴏɢʟᴇ", "G\u00F8ogle"},
		{"Microsoft", "rnicrosoft", "\u041C\u0456crosoft", "Micro soft", "microſoft"},
		{"Zoom", "Z\u043E\u043Em", "Ζoom", "ZOOM"},
		{"admin", "\u0430dmin", "ADMIN", "adrnin", "a.d.m.i.n"},
		{"jamf", "ϳamf", "JAMF", "\u0458amf"},
		{"vvhat", "what", "WHAT"},
		{"", "", "---", "\u0301", " "},
	} {
		for _, name := range group[1:] {
			if a, b := patch.Skeleton(group[0]), patch.Skeleton(name); a != b {
				t.Errorf("%q has the skeleton %q, %q has %q", group[0], a, name, b)
			}
		}
	}
	for _, pair := range [][2]string{
		{"Google", "Goggle"}, {"Ann", "Anna"}, {"Slack", "Stack"}, {"Composer", "Composer2"},
	} {
		if patch.Skeleton(pair[0]) == patch.Skeleton(pair[1]) {
			t.Errorf("%q and %q have one skeleton", pair[0], pair[1])
		}
	}
}

func TestKeepAuthor(t *testing.T) {
	long := strings.Repeat("x", patch.MaxNameLength-len(" (Nobody)"))
	for _, c := range []struct {
		name, was, author string
		want              string // the name afterwards, or
		err               error
	}{
		{"taken out", "Google Chrome", "Nobody", "Google Chrome (Nobody)", nil},
		{"there", "Google Chrome (Nobody)", "Nobody", "Google Chrome (Nobody)", nil},
		{"there often", "Google Chrome (Nobody) (Nobody)  (Nobody) ", "Nobody", "Google Chrome (Nobody)", nil},
		{"there without a space", "Google Chrome(Nobody)(Nobody)", "Nobody", "Google Chrome (Nobody)", nil},
		{"white space", " Google \t Chrome\u00A0 ", "Nobody", "Google Chrome (Nobody)", nil},
		{"another's", "Google Chrome (Google)", "Nobody", "Google Chrome (Google) (Nobody)", nil},
		{"in another case", "Google Chrome (nobody)", "Nobody", "Google Chrome (nobody) (Nobody)", nil},
		{"in the middle", "Google (Nobody) Chrome", "Nobody", "Google (Nobody) Chrome (Nobody)", nil},
		{"white space around the author", "Xcode", " Bryson ", "Xcode (Bryson)", nil},
		{"white space in the author", "Xcode (Ann Lee)", "Ann  Lee", "Xcode (Ann  Lee)", nil},
		{"as long as may be", long, "Nobody", long + " (Nobody)", nil},
		{"too long", long + "x", "Nobody", "", patch.ErrInvalid},
		{"the author alone", " (Nobody)", "Nobody", "", patch.ErrInvalid},
		{"no author", "Google Chrome", " ", "", patch.ErrAuthor},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, "1")
			d.Name = c.was
			err := d.KeepAuthor(c.author)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				if d.Name != c.was {
					t.Errorf("it failed, and made %q", d.Name)
				}
				if errors.Is(err, patch.ErrInvalid) && failurePaths(t, err)[0] != "/name" {
					t.Errorf("%v", err)
				}
				return
			}
			if d.Name != c.want {
				t.Errorf("%q, want %q", d.Name, c.want)
			}
			if err := d.KeepAuthor(c.author); err != nil || d.Name != c.want {
				t.Errorf("again: %v, %q", err, d.Name)
			}
		})
	}
}
