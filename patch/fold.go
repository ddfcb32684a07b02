package patch

// letters are the characters that a base replaces.
type letters[T any] struct {
	base T
	of   string
}

// byRune returns the base of each character.
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
	// unmarked maps letters with marks to the letter of the id alphabet without them.
	unmarked = byRune(markedLetters)
	// lookAlike maps characters to what [Skeleton] writes for them: small letters without marks.
	lookAlike = byRune(lookAlikes)
)

// markedLetters lists, for each letter of the id alphabet, the same letter with marks: by Unicode's canonical
// decompositions, and with a stroke (and the dotless i), which Unicode does not decompose.
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

// lookAlikes lists, for each base, the characters that look like it in some typeface: those with a stroke, which
// Unicode does not decompose, small capitals, and letters of Cyrillic, Greek, Armenian, Cherokee and Lisu. Capitals
// are listed if they look like another letter than their small form does.
//
// Skeletons are also keys of stored records, which a change of this table would orphan.
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
