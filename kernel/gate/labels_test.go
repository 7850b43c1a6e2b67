package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/journal"
)

// web is the source of what tainted is.
const web = 2

// lowering returns a handle of a region or task maker that can endorse.
func (w *world) lowering(rights abi.Rights, reach abi.Label) abi.Handle {
	w.t.Helper()
	h, status := w.kernel.BootLowering(w.root.port, w.root.budget, rights, reach)
	if status != abi.StatusOK {
		w.t.Fatal(status)
	}
	return h
}

func (w *world) wantLabel(a actor, want abi.Label) {
	w.t.Helper()
	if got := a.label(); got != want {
		w.t.Errorf("label %v, want %v", got, want)
	}
}

func TestLabelsAreJoined(t *testing.T) {
	for name, take := range map[string]func(w *world, a actor){
		"by a message": func(w *world, a actor) {
			sender := w.boot(8)
			sender.taint()
			e := a.endpoint(2)
			sender.do(w.give(a, e, sender, abi.Whole(user)), abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)
			if m := a.receive(e); m.Label != tainted() {
				w.t.Errorf("the message's label is %v", m.Label)
			}
		},
		"by a read": func(w *world, a actor) {
			r := a.region(4096)
			w.taintBy(a, r)
			a.read(r, 0, 1)
		},
		"by a private mapping": func(w *world, a actor) {
			r := a.region(4096)
			w.taintBy(a, r)
			a.mapAt(r, 0, 4096, abi.RegionPrivate)
		},
		"by a shared mapping": func(w *world, a actor) {
			r := a.region(4096)
			w.taintBy(a, r)
			a.mapAt(r, 0, 4096, abi.RegionShared)
		},
		"later, through a shared mapping": func(w *world, a actor) {
			r := a.region(4096)
			a.mapAt(r, 0, 4096, abi.RegionPrivate)
			w.taintBy(a, r)
		},
		"by an answer": func(w *world, a actor) {
			server := w.boot(8)
			e := server.endpoint(1)
			server.taint()
			server.serve(e, func(*abi.Message) abi.Status { return abi.StatusOK })
			a.call(w.give(server, e, a, abi.Whole(user)), abi.Message{}, abi.StatusOK)
		},
		"by a refusal of a server": func(w *world, a actor) {
			server := w.boot(8)
			e := server.endpoint(1)
			server.taint()
			server.serve(e, func(*abi.Message) abi.Status { return abi.StatusBusy })
			a.call(w.give(server, e, a, abi.Whole(user)), abi.Message{}, abi.StatusBusy)
		},
		"by a signal": func(w *world, a actor) {
			sender := w.boot(8)
			n := a.notification()
			h := w.give(a, n, sender, abi.Whole(user))
			sender.taint()
			sender.do(h, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
			a.do(n, abi.NotificationPoll, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			take(w, w.root)
			w.wantLabel(w.root, tainted())
			if name != "by a refusal of a server" && w.last(journal.KindLabelRaise).After != tainted() {
				t.Error("the journal does not say so")
			}
		})
	}
}

// taintBy lets another task write into a region of a.
func (w *world) taintBy(a actor, region abi.Handle) {
	writer := w.boot(8)
	h := w.give(a, region, writer, abi.Whole(abi.RightInvoke|abi.RightWrite))
	writer.taint()
	writer.write(h, 0, "x")
}

// TestHandlerLabel checks that a server of many is not dragged up by one.
func TestHandlerLabel(t *testing.T) {
	w := newWorld(t)
	e := w.root.endpoint(1)
	var seen abi.Label
	_ = w.root.port.Serve(e, handlerFunc(func(p *gate.Port, _ *abi.Message) abi.Status { seen = p.Label(); return abi.StatusOK }), false)
	low, high := w.boot(8), w.boot(8)
	high.taint()
	lowHandle, highHandle := w.give(w.root, e, low, abi.Whole(user)), w.give(w.root, e, high, abi.Whole(user))
	high.call(highHandle, abi.Message{}, abi.StatusOK)
	if seen != tainted() {
		t.Errorf("served under %v", seen)
	}
	low.call(lowHandle, abi.Message{}, abi.StatusOK)
	w.wantLabel(low, abi.LabelBottom())
	w.wantLabel(w.root, abi.LabelBottom())
}

func TestCeilings(t *testing.T) {
	w := newWorld(t)
	args := abi.Args{W: [6]uint64{2}, Label: abi.LabelBottom()}
	w.root.do(w.root.budget, abi.EndpointCreate, &args, abi.StatusOK)
	sink := abi.Handle(args.W[0])
	open := w.root.endpoint(2)
	low := abi.Whole(rightsOfOwner)
	low.Ceiling = abi.Label{Sources: 1, Readers: ^uint64(0)}
	narrow := w.root.mint(open, low)
	wide := abi.Whole(rightsOfOwner)
	rewidened := w.root.mint(narrow, wide)
	region := w.root.mint(w.root.region(4096), low)
	signal := w.root.mint(w.root.notification(), low)
	shared := w.root.mint(w.root.region(8192), low)
	w.root.mapAt(shared, 0, 4096, abi.RegionShared)

	labelled := &abi.Args{Message: &abi.Message{Deadline: 1, Label: tainted()}}
	w.refused(w.root, sink, abi.EndpointSend, labelled, abi.StatusLabel)
	w.root.do(sink, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusOK)

	// Whoever shares memory under a ceiling cannot rise over it.
	w.root.do(open, abi.EndpointSend, labelled, abi.StatusOK)
	w.refused(w.root, open, abi.EndpointReceive, &abi.Args{Message: &abi.Message{Deadline: 1}}, abi.StatusLabel)
	inspect := abi.Args{}
	w.root.do(shared, abi.RegionInspect, &inspect, abi.StatusOK)
	w.root.do(shared, abi.RegionUnmap, &abi.Args{W: [6]uint64{inspect.W[1]}}, abi.StatusOK)
	w.root.receive(open)
	w.wantLabel(w.root, tainted())

	for _, h := range []abi.Handle{narrow, rewidened, sink} {
		w.refused(w.root, h, abi.EndpointSend, &abi.Args{Message: &abi.Message{}}, abi.StatusLabel)
		w.refused(w.root, h, abi.EndpointCall, &abi.Args{Message: &abi.Message{Deadline: 1}}, abi.StatusLabel)
	}
	w.refused(w.root, region, abi.RegionWrite, &abi.Args{Bytes: []byte{1}}, abi.StatusLabel)
	w.refused(w.root, region, abi.RegionMap, &abi.Args{W: [6]uint64{0, 4096, abi.RegionShared}}, abi.StatusLabel)
	w.refused(w.root, signal, abi.NotificationSignal, &abi.Args{W: [6]uint64{1}}, abi.StatusLabel)
	w.root.mapAt(region, 0, 4096, abi.RegionPrivate)
}

func TestEndorse(t *testing.T) {
	w := newWorld(t)
	plain := w.root.region(4096)
	w.taint(plain)
	w.refused(w.root, plain, abi.LabelEndorse, &abi.Args{W: [6]uint64{web}}, abi.StatusRights)

	maker := w.lowering(abi.RightEndorse, abi.Label{Sources: web})
	args := abi.Args{W: [6]uint64{4096}}
	w.root.do(maker, abi.RegionCreate, &args, abi.StatusOK)
	r := abi.Handle(args.W[0])
	writer := w.boot(8)
	h := w.give(w.root, r, writer, abi.Whole(abi.RightInvoke|abi.RightWrite))
	writer.taint()
	w.refused(writer, h, abi.RegionWrite, &abi.Args{Bytes: make([]byte, 5000)}, abi.StatusRange)
	// What can be vouched for is in the ceiling, and that bounds the writer too.
	writer.write(h, 0, "x")
	w.refused(w.root, r, abi.LabelEndorse, &abi.Args{W: [6]uint64{web | 8}}, abi.StatusAuthority)
	w.refused(w.root, r, abi.LabelDeclassify, &abi.Args{W: [6]uint64{1}}, abi.StatusRights)
	w.root.do(r, abi.LabelEndorse, &abi.Args{W: [6]uint64{web}}, abi.StatusOK)
	w.root.do(r, abi.LabelInspect, &args, abi.StatusOK)
	if args.Label != abi.LabelBottom() {
		t.Errorf("label %v", args.Label)
	}
	record := w.last(journal.KindEndorse)
	if record.Actor != w.root.port.TaskID() || record.Before != tainted() || record.After != abi.LabelBottom() {
		t.Errorf("recorded %+v", record)
	}
	w.root.read(r, 0, 1)
	w.wantLabel(w.root, abi.LabelBottom())
}

// TestNoLaundering checks that nothing that a tainted task makes is cleaner
// than it is: tasks, regions, signals, messages, timers.
func TestNoLaundering(t *testing.T) {
	w := newWorld(t)
	w.root.taint()
	child, _ := w.root.task(w.root.budget, 8)
	args := abi.Args{}
	w.root.do(child, abi.LabelInspect, &args, abi.StatusOK)
	if args.Label != tainted() {
		t.Errorf("a child's label is %v", args.Label)
	}
	w.root.do(w.root.region(4096), abi.LabelInspect, &args, abi.StatusOK)
	if args.Label != tainted() {
		t.Errorf("a region's label is %v", args.Label)
	}
	e := w.root.endpoint(2)
	clean := abi.Message{Label: abi.LabelBottom()}
	w.root.do(e, abi.EndpointSend, &abi.Args{Message: &clean}, abi.StatusOK)
	if m := w.root.receive(e); m.Label != tainted() {
		t.Errorf("a message's label is %v", m.Label)
	}
	w.refused(w.root, child, abi.LabelEndorse, &abi.Args{W: [6]uint64{web}}, abi.StatusRights)

	// A grant is a message: the choice of it, and when.
	other := w.boot(8)
	h, _ := w.kernel.BootTaskCapability(w.root.port, other.port, rightsOfOwner)
	w.root.grant(h, w.root.budget, abi.Whole(abi.RightInvoke))
	w.wantLabel(other, tainted())

	third := w.boot(8)
	n := third.notification()
	timer := abi.Args{W: [6]uint64{uint64(w.give(third, n, w.root, abi.Whole(user))), 1}}
	w.root.do(w.root.budget, abi.TimerCreate, &timer, abi.StatusOK)
	w.root.do(abi.Handle(timer.W[0]), abi.TimerArm, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
	w.kernel.Tick(8)
	third.do(n, abi.NotificationPoll, &abi.Args{W: [6]uint64{1}}, abi.StatusOK)
	w.wantLabel(third, tainted())
}

// TestLabelsSpread lets a label run through a chain of shared mappings.
func TestLabelsSpread(t *testing.T) {
	w := newWorld(t)
	var chain []actor
	for range 4 {
		chain = append(chain, w.boot(8))
	}
	for i := range chain[:3] {
		r := chain[i].region(4096)
		chain[i].mapAt(r, 0, 4096, abi.RegionShared)
		h := w.give(chain[i], r, chain[i+1], abi.Whole(mapper|abi.RightWrite))
		how := uint64(abi.RegionShared)
		if i == 2 {
			how = abi.RegionPrivate // the last only looks
		}
		chain[i+1].mapAt(h, 0, 4096, how)
	}
	chain[3].taint()
	w.wantLabel(chain[2], abi.LabelBottom())
	chain[0].taint()
	for _, a := range chain {
		w.wantLabel(a, tainted())
	}
}

// TestEndorseWhatIsShared checks that nobody vouches for one side of a window
// while the other side is still tainted: the next look or write would undo it,
// and nobody would notice.
func TestEndorseWhatIsShared(t *testing.T) {
	w := newWorld(t)
	maker := w.lowering(abi.RightEndorse, abi.Label{Sources: web})
	args := abi.Args{W: [6]uint64{4096}}
	w.root.do(maker, abi.RegionCreate, &args, abi.StatusOK)
	r, address := abi.Handle(args.W[0]), args.W[1]
	a := w.boot(8)
	h := w.give(w.root, r, a, abi.Whole(mapper|abi.RightWrite))
	a.mapAt(h, 0, 4096, abi.RegionShared)
	a.taint()
	endorse := &abi.Args{W: [6]uint64{web}}
	w.refused(w.root, r, abi.LabelEndorse, endorse, abi.StatusState)

	self, status := w.kernel.BootTaskCapability(w.root.port, a.port, abi.RightInvoke|abi.RightEndorse)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	w.refused(w.root, self, abi.LabelEndorse, endorse, abi.StatusState)
	a.do(h, abi.RegionUnmap, &abi.Args{W: [6]uint64{address}}, abi.StatusOK)
	w.root.do(self, abi.LabelEndorse, endorse, abi.StatusOK)
	w.root.do(r, abi.LabelEndorse, endorse, abi.StatusOK)
	w.wantLabel(a, abi.LabelBottom())
}
