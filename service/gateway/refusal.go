package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"phios/api/inference"
)

// refusal is an answer that is none: what HTTP calls it, what a program and what
// a person needs to know.
type refusal struct {
	status  int
	code    string // for programs, of OpenAI's words where there is one
	param   string // the field that is wrong, if one is
	message string
	remedy  string
	retry   time.Duration // when to come again; zero does not say
	final   bool          // asking again is of no use
}

func (r *refusal) Error() string {
	if r.remedy == "" {
		return r.message
	}
	return r.message + "; " + r.remedy
}

// dialect writes a refusal as clients of an interface expect it.
type dialect func(r *refusal, id string) any

var (
	errRevoked  = errors.New("the key was revoked")
	errVanished = errors.New("the client does not read")
)

const (
	retryBusy   = 1 * time.Second
	retryMemory = 5 * time.Second
)

// refused makes a refusal of any error of a request.
func refused(ctx context.Context, err error) *refusal {
	if own, ok := errors.AsType[*refusal](err); ok {
		return own
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRevoked):
		return &refusal{status: http.StatusUnauthorized, code: "invalid_api_key", message: "the key was revoked or has expired", remedy: "make another with 'phi key new'", final: true}
	case cause != nil:
		return &refusal{status: statusClosed, code: "cancelled", message: "the client went away", remedy: "ask again"}
	}
	e, ok := errors.AsType[*inference.Error](err)
	if !ok {
		// The text is not shown: it may tell of the machine.
		return &refusal{status: http.StatusInternalServerError, code: "server_error", message: "the service failed", remedy: "look into the log of the node, by the request's id"}
	}
	r := &refusal{status: http.StatusInternalServerError, code: "server_error", message: e.Message, remedy: e.Remedy}
	switch e.Code {
	case inference.CodeRequest:
		r.status, r.code = http.StatusBadRequest, "invalid_value"
	case inference.CodeUnsupported:
		r.status, r.code = http.StatusBadRequest, "unsupported_value"
	case inference.CodeContext:
		r.status, r.code = http.StatusBadRequest, "context_length_exceeded"
	case inference.CodeNoModel:
		r.status, r.code, r.param = http.StatusNotFound, "model_not_found", "model"
	case inference.CodeDenied:
		r.status, r.code = http.StatusForbidden, "permission_denied"
	case inference.CodeBudget:
		r.status, r.code, r.final = http.StatusTooManyRequests, "insufficient_quota", true
	case inference.CodeBusy:
		r.status, r.code, r.retry = http.StatusTooManyRequests, "rate_limit_exceeded", retryBusy
	case inference.CodeMemory:
		r.status, r.code, r.retry = http.StatusServiceUnavailable, "out_of_memory", retryMemory
	case inference.CodeUnit:
		r.status, r.code, r.retry = http.StatusServiceUnavailable, "unit_lost", retryBusy
	case inference.CodeDeadline:
		r.status, r.code = http.StatusGatewayTimeout, "deadline_exceeded"
	}
	return r
}

// statusClosed is what logs say of a client that left; nobody receives it.
const statusClosed = 499

// headers are those of a refusal. The clients of both interfaces ask again by
// themselves after some statuses, unless they are told that it is of no use.
func (r *refusal) headers(h http.Header) {
	if r.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int((r.retry+time.Second-1)/time.Second)))
	}
	if r.final {
		h.Set("X-Should-Retry", "false")
	}
	if r.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
}

// openAI is a refusal as OpenAI's interface has it.
func openAI(r *refusal, _ string) any {
	kind := "invalid_request_error"
	switch {
	case r.code == "insufficient_quota":
		kind = "insufficient_quota"
	case r.status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case r.status >= http.StatusInternalServerError:
		kind = "server_error"
	}
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	}
	out := struct {
		Error body `json:"error"`
	}{body{Message: r.Error(), Type: kind, Code: r.code}}
	if r.param != "" {
		out.Error.Param = &r.param
	}
	return out
}

// anthropic is a refusal as Anthropic's interface has it.
func anthropic(r *refusal, id string) any {
	kind := "invalid_request_error"
	switch r.status {
	case http.StatusUnauthorized:
		kind = "authentication_error"
	case http.StatusForbidden:
		kind = "permission_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case http.StatusServiceUnavailable:
		kind = "overloaded_error"
	case http.StatusGatewayTimeout:
		kind = "timeout_error"
	case http.StatusInternalServerError:
		kind = "api_error"
	}
	type body struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return struct {
		Type      string `json:"type"`
		Error     body   `json:"error"`
		RequestID string `json:"request_id"`
	}{"error", body{kind, r.Error()}, id}
}
