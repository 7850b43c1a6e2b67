// Command hello-go is a server that greets whoever calls it, says how many
// calls it has had, and what time it is when it was granted a clock.
package main

import (
	"strconv"
	"time"

	phi "phios/sdk/go"
	"phios/sdk/go/server"
)

// greeter is what the capsule keeps between messages.
type greeter struct {
	greeted uint64
	clock   bool
}

func init() { //nolint:gochecknoinits // a server has no main that runs
	_, err := phi.Named("clock")
	g := &greeter{clock: err == nil}
	server.Handle(g.answer)
}

func main() {}

func (g *greeter) answer(m *phi.Message) error {
	name := m.Text()
	m.Clear()
	if name == "ping" {
		return m.SetText("pong")
	}
	if name == "" {
		name = "stranger"
	}
	g.greeted++
	m.Words[0] = g.greeted
	text := "hello " + name + ", you are number " + strconv.FormatUint(g.greeted, 10)
	if g.clock {
		text += " at " + time.Now().UTC().Format(time.RFC3339) //nolint:forbidigo // a capsule's clock is a capability
	}
	return m.SetText(text)
}
