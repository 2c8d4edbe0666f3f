package gateway

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/gateway/api"
)

var clientLeft = &api.Refusal{Cause: api.CauseClientLeft, Message: "the client has left"}

// write answers a request with the refusal, as JSON or as a page.
func writeRefusal(r api.Refusal, w http.ResponseWriter, to *http.Request) {
	body, kind := []byte(nil), "application/json"
	var err error
	if wantsPage(to, r) {
		kind = "text/html; charset=utf-8"
		body, err = page(&r)
	} else {
		body, err = json.Marshal(r)
	}
	if err != nil {
		http.Error(w, r.Message, r.Cause.Status())
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.RetryAfter))
		// The same place answers a browser otherwise.
		h.Set("Vary", "Accept")
	}
	w.WriteHeader(r.Cause.Status())
	_, _ = w.Write(append(body, '\n'))
}

// asRefusal is the answer that an error of the chain asks for, to be changed.
func asRefusal(err error) api.Refusal {
	var refusal *api.Refusal
	if errors.As(err, &refusal) {
		return *refusal
	}
	return api.Refusal{Cause: api.CauseInternal, Message: err.Error()}
}

// seconds rounds up to at least 1, as Retry-After wants it.
func seconds(d time.Duration) int { return int(math.Max(1, math.Ceil(d.Seconds()))) }
