package patch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

func TestCheckAuthor(t *testing.T) {
	for _, c := range []struct{ name, author, message string }{ // part of the message; empty: accepted
		{"plain", "Bryson", ""},
		{"with marks", "José Núñez", ""},
		{"decomposed", "Jose\u0301 Nu\u0301n\u0303ez", ""},
		{"white space around", "  Ann Lee ", ""},
		{"punctuation", "O'Brien & Sons, Ltd.", ""},
		{"Azerbaijani", "Əliyev Məmmədov", ""},
		{"digits and Cyrillic", "Мария1", ""},
		{"Japanese", "日本のカナ1", ""},
		{"of maximum length", strings.Repeat("a", patch.MaxAuthorLength), ""},
		{"too long", strings.Repeat("a", patch.MaxAuthorLength+1), "101 bytes"},
		{"empty", "", "letter or digit"},
		{"nothing left for an id", "中文", "letter or digit"},
		{"NUL", "a\x00b", "U+0000"},
		{"line break", "a\nb", "U+000A"},
		{"right-to-left override", "a\u202Eb", "U+202E"},
		{"zero width joiner", "a\u200Db", "U+200D"},
		{"invalid UTF-8", "\xff", "UTF-8"},
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
			case c.message == "" && (err != nil || namespaced != nil):
				t.Errorf("CheckAuthor = %v, Namespace = %v, want no errors", err, namespaced)
			case c.message != "" && (!errors.Is(err, patch.ErrAuthor) || !strings.Contains(err.Error(), c.message)):
				t.Errorf("CheckAuthor = %v, want ErrAuthor with %q", err, c.message)
			case c.message != "" && (!errors.Is(namespaced, patch.ErrAuthor) || d.ID != "a" || d.Name != "A"):
				t.Errorf("Namespace = %v, and the name %q, want ErrAuthor and the old name", namespaced, d.Name)
			}
		})
	}
}

// The rules for new authors do not apply to the author of a stored title.
func TestNamespaceStored(t *testing.T) {
	d := title(t, "1")
	if err := d.NamespaceStored("李 Li"); err != nil || d.ID != "a__Li" || d.Name != "A (李 Li)" {
		t.Errorf("NamespaceStored = %v, %s, %s, want a__Li and A (李 Li)", err, d.ID, d.Name)
	}
}

// The length of a name is checked first, so that a name of megabytes costs nothing.
func TestLongAuthorsAreRefusedFirst(t *testing.T) {
	long := strings.Repeat("é", 800_000)
	allocated := testing.AllocsPerRun(10, func() {
		if patch.CheckAuthor(long) == nil {
			t.Error("CheckAuthor accepts a name of megabytes")
		}
		if _, err := patch.AuthorID(long); err == nil {
			t.Error("AuthorID accepts a name of megabytes")
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestSkeleton(t *testing.T) {
	for _, group := range [][]string{
		{"Google", "google", "GOOGLE", "Goog1e", "GoogIe", "Goog|e", "G\u043E\u043Egle", "G\u03BFogle",
			"Ｇｏｏｇｌｅ", "Go ogle", "Go_o-g.le", "Göögle", "Go\u0301ogle", "g00gle",
			"ɢᴏᴏɢʟᴇ", "G\u00F8ogle"},
		{"Microsoft", "rnicrosoft", "\u041C\u0456crosoft", "Micro soft", "microſoft"},
		{"Zoom", "Z\u043E\u043Em", "Ζoom", "ZOOM"},
		{"admin", "\u0430dmin", "ADMIN", "adrnin", "a.d.m.i.n"},
		{"jamf", "ϳamf", "JAMF", "\u0458amf"},
		{"vvhat", "what", "WHAT"},
		{"", "", "---", "\u0301", " "},
	} {
		for _, name := range group[1:] {
			if a, b := patch.Skeleton(group[0]), patch.Skeleton(name); a != b {
				t.Errorf("Skeleton(%q) = %q, Skeleton(%q) = %q, want them equal", group[0], a, name, b)
			}
		}
	}
	for _, pair := range [][2]string{
		{"Google", "Goggle"}, {"Ann", "Anna"}, {"Slack", "Stack"}, {"Composer", "Composer2"},
	} {
		if patch.Skeleton(pair[0]) == patch.Skeleton(pair[1]) {
			t.Errorf("%q and %q have the same skeleton", pair[0], pair[1])
		}
	}
}

func TestKeepAuthor(t *testing.T) {
	long := strings.Repeat("x", patch.MaxNameLength-len(" (Nobody)"))
	for _, c := range []struct {
		name, before, author string
		want                 string // the name afterwards
		err                  error
	}{
		{"missing", "Google Chrome", "Nobody", "Google Chrome (Nobody)", nil},
		{"present", "Google Chrome (Nobody)", "Nobody", "Google Chrome (Nobody)", nil},
		{"repeated", "Google Chrome (Nobody) (Nobody)  (Nobody) ", "Nobody", "Google Chrome (Nobody)", nil},
		{"without a space", "Google Chrome(Nobody)(Nobody)", "Nobody", "Google Chrome (Nobody)", nil},
		{"white space", " Google \t Chrome\u00A0 ", "Nobody", "Google Chrome (Nobody)", nil},
		{"another author", "Google Chrome (Google)", "Nobody", "Google Chrome (Google) (Nobody)", nil},
		{"in another case", "Google Chrome (nobody)", "Nobody", "Google Chrome (nobody) (Nobody)", nil},
		{"in the middle", "Google (Nobody) Chrome", "Nobody", "Google (Nobody) Chrome (Nobody)", nil},
		{"white space around the author", "Xcode", " Bryson ", "Xcode (Bryson)", nil},
		{"white space in the author", "Xcode (Ann Lee)", "Ann  Lee", "Xcode (Ann  Lee)", nil},
		{"of maximum length", long, "Nobody", long + " (Nobody)", nil},
		{"too long", long + "x", "Nobody", "", patch.ErrInvalid},
		{"the author alone", " (Nobody)", "Nobody", "", patch.ErrInvalid},
		{"no author", "Google Chrome", " ", "", patch.ErrAuthor},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := title(t, "1")
			d.Name = c.before
			err := d.KeepAuthor(c.author)
			if !errors.Is(err, c.err) {
				t.Fatalf("KeepAuthor = %v, want %v", err, c.err)
			}
			if err != nil {
				if d.Name != c.before {
					t.Errorf("KeepAuthor failed and changed the name to %q", d.Name)
				}
				if errors.Is(err, patch.ErrInvalid) && failurePaths(t, err)[0] != "/name" {
					t.Errorf("KeepAuthor = %v, want a failure at /name", err)
				}
				return
			}
			if d.Name != c.want {
				t.Errorf("the name is %q, want %q", d.Name, c.want)
			}
			if err := d.KeepAuthor(c.author); err != nil || d.Name != c.want {
				t.Errorf("KeepAuthor again = %v, and the name %q, want no change", err, d.Name)
			}
		})
	}
}
