package answer_test

import (
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
)

// A document is sent once, and then revalidated.
func ExampleServer_Serve() {
	s := &answer.Server{Now: time.Now}
	doc, err := answer.NewJSON(map[string]int{"titles": 3}, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	fmt.Println(s.Serve(w, r, doc, answer.JSON), w.Code, w.Body)

	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	fmt.Println(s.Serve(w, r, doc, answer.JSON), w.Code)
	// Output:
	// <nil> 200 {"titles":3}
	//
	// <nil> 304
}
