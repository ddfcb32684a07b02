package patch

// letters are characters that stand for another one, or for several.
type letters[T any] struct {
	base T
	of   string
}

// byRune returns what each character stands for.
func byRune[T any](table []letters[T]) map[rune]T {
	m := map[rune]T{}
	for _, l := range table {
		for _, r := range l.of {
			m[r] = l.base
		}
	}
	return m
}

var (
	// unmarked is the letter of the id alphabet that a letter is with marks.
	unmarked = byRune(markedLetters)
	// lookAlike is what [Skeleton] writes for a character, small letters first
	// and without marks. What one looks like several, it is several.
	lookAlike = byRune(lookAlikes)
)

// markedLetters lists, for each letter of the id alphabet, the letters that are
// that one with marks: by Unicode's canonical decompositions, and those with a
// stroke (and the dotless i), which Unicode does not decompose.
var markedLetters = []letters[byte]{
	{'A', "ÀÁÂÃÄÅĀĂĄǍǞǠǺȀȂȦḀẠẢẤẦẨẪẬẮẰẲẴẶ"},
	{'B', "ḂḄḆɃ"},
	{'C', "ÇĆĈĊČḈ"},
	{'D', "ĎḊḌḎḐḒĐ"},
	{'E', "ÈÉÊËĒĔĖĘĚȄȆȨḔḖḘḚḜẸẺẼẾỀỂỄỆ"},
	{'F', "Ḟ"},
	{'G', "ĜĞĠĢǦǴḠ"},
	{'H', "ĤȞḢḤḦḨḪĦ"},
	{'I', "ÌÍÎÏĨĪĬĮİǏȈȊḬḮỈỊ"},
	{'J', "Ĵ"},
	{'K', "ĶǨḰḲḴ"},
	{'L', "ĹĻĽḶḸḺḼŁ"},
	{'M', "ḾṀṂ"},
	{'N', "ÑŃŅŇǸṄṆṈṊ"},
	{'O', "ÒÓÔÕÖŌŎŐƠǑǪǬȌȎȪȬȮȰṌṎṐṒỌỎỐỒỔỖỘỚỜỞỠỢØ"},
	{'P', "ṔṖ"},
	{'R', "ŔŖŘȐȒṘṚṜṞ"},
	{'S', "ŚŜŞŠȘṠṢṤṦṨ"},
	{'T', "ŢŤȚṪṬṮṰŦ"},
	{'U', "ÙÚÛÜŨŪŬŮŰŲƯǓǕǗǙǛȔȖṲṴṶṸṺỤỦỨỪỬỮỰ"},
	{'V', "ṼṾ"},
	{'W', "ŴẀẂẄẆẈ"},
	{'X', "ẊẌ"},
	{'Y', "ÝŶŸȲẎỲỴỶỸ"},
	{'Z', "ŹŻŽẐẒẔ"},
	{'a', "àáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ"},
	{'b', "ḃḅḇƀ"},
	{'c', "çćĉċčḉ"},
	{'d', "ďḋḍḏḑḓđ"},
	{'e', "èéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ"},
	{'f', "ḟ"},
	{'g', "ĝğġģǧǵḡ"},
	{'h', "ĥȟḣḥḧḩḫẖħ"},
	{'i', "ìíîïĩīĭįǐȉȋḭḯỉịı"},
	{'j', "ĵǰ"},
	{'k', "ķǩḱḳḵ"},
	{'l', "ĺļľḷḹḻḽł"},
	{'m', "ḿṁṃ"},
	{'n', "ñńņňǹṅṇṉṋ"},
	{'o', "òóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợø"},
	{'p', "ṕṗ"},
	{'r', "ŕŗřȑȓṙṛṝṟ"},
	{'s', "śŝşšșṡṣṥṧṩ"},
	{'t', "ţťțṫṭṯṱẗŧ"},
	{'u', "ùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự"},
	{'v', "ṽṿ"},
	{'w', "ŵẁẃẅẇẉẘ"},
	{'x', "ẋẍ"},
	{'y', "ýÿŷȳẏẙỳỵỷỹ"},
	{'z', "źżžẑẓẕ"},
}

// lookAlikes lists, for what Skeleton writes, the characters that look like it in
// some typeface: those with a stroke, which Unicode does not decompose, small
// capitals, and letters of Cyrillic, Greek, Armenian, Cherokee and Lisu. Capitals
// stand here if they look like another letter than their small ones do.
var lookAlikes = []letters[string]{
	{"a", "@аαɑᴀᎪꓮ"},
	{"b", "ƀßвьβʙᏏᏴꓐ"},
	{"c", "сςϲᴄᏟꓚ"},
	{"d", "đðԁᴅᎠꓓ"},
	{"e", "еєεᴇᎬꓰ"},
	{"f", "ƒꓝ"},
	{"g", "ɡɢɠǥꞡցᏀꓖ"},
	{"h", "ħнһΗʜհᎻꓧ"},
	{"l", "1|!ilǀƚɫɭꝉʟıłӏіїιɩɪլᏞꓡꓲ"},
	{"j", "јϳᴊᎫꓙ"},
	{"k", "кκᴋᏦꓗ"},
	{"rn", "mмμΜᴍᎷꓟ"},
	{"n", "пηΝɴոꓠ"},
	{"o", "0оοσøᴏᴑɵꝋꬽօꓳ"},
	{"p", "рρþᴘᏢꓑ"},
	{"q", "ԛզ"},
	{"r", "гʀᎡꓣ"},
	{"s", "$ѕꜱᏚꓢ"},
	{"t", "ŧтτᴛᎢꓔ"},
	{"u", "υսᴜꓴ"},
	{"v", "νѵᴠᏙꓦ"},
	{"vv", "wԝωᴡᏔᎳꓪ"},
	{"x", "хχꓫ"},
	{"y", "уүγΥʏᎩꓬ"},
	{"z", "ᴢΖᏃꓜ"},
	{"ae", "æ"},
	{"oe", "œ"},
	{"oo", "ꝏ"},
}
