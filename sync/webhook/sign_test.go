package webhook

import (
	"net/http"
	"testing"
	"time"
)

// The specification's own example: https://www.standardwebhooks.com, as verified by
// its libraries.
func TestSign(t *testing.T) {
	h := http.Header{}
	if err := sign(h, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	// The specification's names are in lower case, which HTTP does not mind.
	get := func(name string) string { return h[name][0] }
	if got := get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
	if get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || get("webhook-timestamp") != "1614265330" {
		t.Errorf("%v", h)
	}
}
