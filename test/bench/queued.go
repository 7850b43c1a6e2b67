package bench

import "phios/abi"

// serveQueued answers n calls out of the mailbox.
func serveQueued(t task, e abi.Handle, n int, deadline int64) abi.Status {
	args := abi.Args{Message: &abi.Message{Deadline: deadline}}
	if status := t.port.Invoke(e, abi.EndpointReceive, &args); status != abi.StatusOK {
		return status
	}
	for range n - 1 {
		args.W[0] = uint64(args.Message.Reply)
		if status := t.port.Invoke(e, abi.EndpointReplyReceive, &args); status != abi.StatusOK {
			return status
		}
	}
	return t.port.Invoke(args.Message.Reply, abi.EndpointReply, &args)
}

// queuedRows measures a call to a server on a thread of its own: two switches,
// as with channels, and a reply capability made and used up.
func queuedRows(m *meter) ([]Row, error) {
	w := newWorld(ordinary())
	defer w.close()
	server, client := w.boot(64), w.boot(16)
	e := w.endpoint(server, 4)
	h := w.give(server, e, client, rightsOfUser)
	if w.err != nil {
		return nil, w.err
	}
	call := func(n int) abi.Status {
		deadline := w.machine.Now() + waitNSMax
		served := make(chan abi.Status, 1) // the answer waits for nobody
		go func() { served <- serveQueued(server, e, n, deadline) }()
		args := abi.Args{Message: &abi.Message{Length: 64, Deadline: deadline}}
		status := repeat(client, h, abi.EndpointCall, &args)(n)
		if other := <-served; status == abi.StatusOK {
			status = other
		}
		return status
	}
	channels, stop := channelCall()
	defer stop()
	all, err := m.interleave(call, channels)
	if err != nil {
		return nil, err
	}
	return []Row{
		inform("queued: call to a server on another thread and its reply, 64 B", all[0].median(), unitNS).
			against("two unbuffered Go channels", all[1].median(), all[1].over(all[0])),
	}, nil
}
