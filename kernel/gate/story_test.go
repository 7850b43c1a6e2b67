package gate_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"phios/abi"
	"phios/kernel/gate"
)

var rewrite = flag.Bool("rewrite", false, "write the stories' answers as they are now; then read the difference")

// TestStories plays the dialogues in testdata: prose, then commands, then
// "----" and what the kernel answers, up to an empty line. The words are
// explained at [story.do].
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newStory(t).tell(string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s", differences(string(text), got))
			}
		})
	}
}

// story is a world in which tasks and capabilities have names.
type story struct {
	*world

	tasks map[string]actor
	names map[string]map[string]abi.Handle // by task
	child map[string]abi.Handle            // in whose hands: task/child
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{tasks: map[string]actor{}, names: map[string]map[string]abi.Handle{}, child: map[string]abi.Handle{}}
	s.world = newWorld(t)
	s.launch = func(*gate.Port) {}
	return s
}

// tell plays a text and returns it with the answers as they are now.
func (s *story) tell(text string) string {
	var out strings.Builder
	var commands []string
	answering := false
	for line := range strings.Lines(text) {
		word := strings.TrimSuffix(line, "\n")
		switch {
		case answering && word != "":
			continue
		case word == "----":
			out.WriteString("----\n")
			for _, c := range commands {
				out.WriteString(s.do(strings.Fields(c)) + "\n")
			}
			commands, answering = nil, true
			continue
		case word == "":
			answering, commands = false, nil
		case strings.HasPrefix(word, "#"):
		default:
			commands = append(commands, word)
		}
		out.WriteString(line)
	}
	return out.String()
}

// do plays one command:
//
//	boot TASK                        a root task, with a capability "budget"
//	TASK make KIND NAME [N [SLOTS]]  endpoint, region, notification, budget, task
//	TASK mint NAME FROM [TERM...]    terms: +RIGHT -RIGHT badge= uses= copies= window=A+N
//	TASK give NAME to TASK as NAME [TERM...]     as the boot manifest does
//	TASK revoke|delete|inspect NAME
//	TASK send|move NAME GIFT|- [sources=N]
//	TASK receive NAME [AS]
//	TASK read|write NAME OFFSET N
//	TASK spend NAME N
//	TASK left NAME                   of a budget: memory, slots, tokens
//	TASK label
//	TASK serve NAME                  answers with twice the first word
//	TASK call NAME N
//	TASK kill NAME
//	tidy
func (s *story) do(words []string) string {
	switch words[0] {
	case "tidy":
		s.tidy()
		return "ok"
	case "boot":
		a := s.boot(32)
		s.tasks[words[1]], s.names[words[1]] = a, map[string]abi.Handle{"budget": a.budget}
		return "ok"
	}
	who, what := words[0], words[1]
	a, ok := s.tasks[who]
	if !ok {
		return "who is " + who + "?"
	}
	return s.act(who, a, what, words[2:])
}

func (s *story) act(who string, a actor, what string, words []string) string {
	name := func(i int) abi.Handle { return s.names[who][words[i]] }
	number := func(i int) uint64 { n, _ := strconv.ParseUint(words[i], 10, 64); return n }
	args := abi.Args{Label: abi.LabelTop()}
	switch what {
	case "make":
		return s.makes(who, a, words)
	case "mint":
		args.Mint = terms(words[2:])
		return s.named(who, words[0], a.port.Invoke(name(1), abi.CapMint, &args), &args)
	case "give":
		m := terms(words[5-1:])
		h, status := s.kernel.BootGrant(a.port, name(0), s.tasks[words[2]].port, m)
		if status == abi.StatusOK {
			s.names[words[2]][words[4]] = h
		}
		return status.Name()
	case "revoke":
		return a.port.Invoke(name(0), abi.CapRevoke, &args).Name()
	case "delete":
		return a.port.Invoke(name(0), abi.CapDelete, &args).Name()
	case "inspect":
		status := a.port.Invoke(name(0), abi.CapInspect, &args)
		if status != abi.StatusOK {
			return status.Name()
		}
		return fmt.Sprintf("%v badge %d window %d+%d: %v", abi.ObjectType(args.W[0]), args.W[2], args.W[4], args.W[5], abi.Rights(args.W[1]))
	case "send", "move":
		m := &abi.Message{}
		if words[1] != "-" {
			m.HandleCount, m.Handles[0] = 1, name(1)
			if what == "move" {
				m.Moves = 1
			}
		}
		if len(words) > 2 {
			n, _ := strconv.ParseUint(strings.TrimPrefix(words[2], "sources="), 10, 64)
			m.Label = abi.Label{Sources: n, Readers: ^uint64(0)}
		}
		return a.port.Invoke(name(0), abi.EndpointSend, &abi.Args{Message: m}).Name()
	case "receive":
		m := &abi.Message{Deadline: 1}
		status := a.port.Invoke(name(0), abi.EndpointReceive, &abi.Args{Message: m})
		if len(words) > 1 && status == abi.StatusOK {
			s.names[who][words[1]] = m.Handles[0]
		}
		return fmt.Sprintf("%s badge %d sources %d capabilities %d", status.Name(), m.Badge, m.Label.Sources, m.HandleCount)
	case "read", "write":
		c := abi.RegionRead
		if what == "write" {
			c = abi.RegionWrite
		}
		return a.port.Invoke(name(0), c, &abi.Args{W: [6]uint64{number(1)}, Bytes: make([]byte, number(2))}).Name()
	case "spend":
		return a.port.Invoke(name(0), abi.BudgetSpend, &abi.Args{W: [6]uint64{uint64(abi.ResourceTokens), number(1)}}).Name()
	case "left":
		status := a.port.Invoke(name(0), abi.BudgetInspect, &args)
		return fmt.Sprintf("%s memory %d slots %d tokens %d", status.Name(), args.W[0], args.W[1], args.W[3])
	case "label":
		l := a.label()
		return fmt.Sprintf("sources %d readers %x", l.Sources, l.Readers)
	case "serve":
		return a.port.Serve(name(0), handlerFunc(func(_ *gate.Port, m *abi.Message) abi.Status { m.Words[0] *= 2; return abi.StatusOK }), false).Name()
	case "call":
		m := &abi.Message{Words: [4]uint64{number(1)}, Deadline: 1}
		status := a.port.Invoke(name(0), abi.EndpointCall, &abi.Args{Message: m})
		if status != abi.StatusOK {
			return status.Name()
		}
		return fmt.Sprintf("%d", m.Words[0])
	case "kill":
		return a.port.Invoke(name(0), abi.TaskKill, &args).Name()
	default:
		return "what is " + what + "?"
	}
}

// makes makes an object. A task is started at once, and can act by its name.
func (s *story) makes(who string, a actor, words []string) string {
	args := abi.Args{W: [6]uint64{4}, Label: abi.LabelTop()}
	if len(words) > 2 {
		args.W[0], _ = strconv.ParseUint(words[2], 10, 64)
	}
	budget, call := s.names[who]["budget"], map[string]abi.Call{
		"endpoint": abi.EndpointCreate, "region": abi.RegionCreate, "notification": abi.NotificationCreate,
		"budget": abi.BudgetCarve, "task": abi.TaskCreate,
	}[words[0]]
	switch words[0] {
	case "budget":
		slots := uint64(64)
		if len(words) > 3 {
			slots, _ = strconv.ParseUint(words[3], 10, 64)
		}
		args.W = abi.Amounts{args.W[0], slots, 0, 100}
	case "task":
		args.W[0] = 16
		return s.spawns(who, a, words[1], budget, &args)
	}
	return s.named(who, words[1], a.port.Invoke(budget, call, &args), &args)
}

// spawns makes and starts a task with the budget called like the task, and a
// copy of every other capability of the maker.
func (s *story) spawns(who string, a actor, name string, budget abi.Handle, args *abi.Args) string {
	if purse, ok := s.names[who][name+"-budget"]; ok {
		budget = purse
	}
	if status := a.port.Invoke(budget, abi.TaskCreate, args); status != abi.StatusOK {
		return status.Name()
	}
	h := abi.Handle(args.W[0])
	s.names[who][name] = h
	var port *gate.Port
	s.launch = func(p *gate.Port) { port = p }
	if status := a.port.Invoke(h, abi.TaskStart, &abi.Args{}); status != abi.StatusOK {
		return status.Name()
	}
	s.tasks[name], s.names[name] = actor{t: s.t, port: port}, map[string]abi.Handle{}
	if budget != s.names[who]["budget"] {
		s.names[name]["budget"] = a.grant(h, budget, abi.Whole(rightsOfOwner))
	}
	return "ok"
}

func (s *story) named(who, name string, status abi.Status, args *abi.Args) string {
	if status == abi.StatusOK {
		s.names[who][name] = abi.Handle(args.W[0])
	}
	return status.Name()
}

// terms reads how a capability is less.
func terms(words []string) *abi.Mint {
	m := abi.Whole(rightsOfOwner)
	for _, w := range words {
		right, _ := abi.ParseRight(w[1:])
		key, value, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch {
		case w[0] == '-':
			m.Rights &^= right
			m.Pass &^= right
		case w[0] == '+':
			if m.Rights == rightsOfOwner {
				m.Rights, m.Pass = 0, 0
			}
			m.Rights |= right
			m.Pass |= right
		case key == "pass":
			right, _ = abi.ParseRight(value)
			m.Pass |= right
		case key == "badge":
			m.Badge = n
		case key == "uses":
			m.Uses = uint32(n)
		case key == "copies":
			m.Copies = uint32(n)
		case key == "window":
			base, bytes, _ := strings.Cut(value, "+")
			m.Base, _ = strconv.ParseUint(base, 10, 64)
			m.Bytes, _ = strconv.ParseUint(bytes, 10, 64)
		}
	}
	return &m
}
