package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"phios/abi"
)

// TestErrors: an error carries its status, and says its remedy.
func TestErrors(t *testing.T) {
	for s := abi.StatusOK + 1; int(s) < abi.StatusCount; s++ {
		e := fmt.Errorf("asked: %w", &Error{Code: s.Name(), Message: "not done", Remedy: "do otherwise"})
		if !errors.Is(e, s) {
			t.Errorf("the code %s is not found as its status", s.Name())
		}
	}
	e := &Error{Code: CodeUnknown, Message: "no such thing", Remedy: "make one"}
	if _, ok := e.Status(); ok || e.Error() != "no such thing: make one" {
		t.Errorf("%v", e)
	}
}

// TestRights: names and sets say the same.
func TestRights(t *testing.T) {
	for _, want := range []abi.Rights{0, abi.RightSend, abi.RightInvoke | abi.RightSend, abi.RightsAll} {
		if got, err := RightsOf(want).Set(); err != nil || got != want {
			t.Errorf("%v became %v, %v", want, got, err)
		}
	}
	if _, err := (Rights{"FLY"}).Set(); err == nil {
		t.Error("there is a right to fly")
	}
}

// TestNoNode: where nobody listens, that is what is said.
func TestNoNode(t *testing.T) {
	c := Client{Socket: filepath.Join(t.TempDir(), SocketName)}
	_, err := c.Info(t.Context())
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeNoNode || e.Remedy == "" {
		t.Errorf("%v", err)
	}
}

func ExampleClient_Call() {
	node := Client{Socket: filepath.Join("data", SocketName)}
	_, err := node.Call(context.Background(), CallRequest{Capsule: "hello-go", Text: "you"})
	fmt.Println(err)
	// Output: no node listens at data/control.sock: start one with 'phi up'
}
