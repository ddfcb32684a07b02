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
	if got := h["webhook-signature"][0]; got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("%s", got)
	}
	if h["webhook-id"][0] != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h["webhook-timestamp"][0] != "1614265330" {
		t.Errorf("%v", h)
	}
}
