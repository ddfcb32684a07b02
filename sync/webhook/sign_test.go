package webhook

import (
	"net/http"
	"testing"
	"time"
)

// sign produces the signature of the example of the specification, https://www.standardwebhooks.com.
func TestSign(t *testing.T) {
	h := http.Header{}
	const secret, id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
	if err := sign(h, secret, id, time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)); err != nil {
		t.Fatal(err)
	}
	// The names of the specification are in lower case.
	get := func(name string) string { return h[name][0] }
	if got := get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("signature %s", got)
	}
	if get("webhook-id") != id || get("webhook-timestamp") != "1614265330" {
		t.Errorf("header %v", h)
	}
}
