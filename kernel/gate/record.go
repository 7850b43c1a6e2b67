package gate

import (
	"crypto/sha256"

	"phios/abi"
	"phios/internal/mutant"
	"phios/kernel/capability"
	"phios/kernel/journal"
)

// denials limits how much of the journal one task can fill by asking for what
// it will not get.
type denials struct {
	since   int64
	count   uint32
	dropped uint64
}

// ready reports whether the journal takes records, so that what must be
// recorded is refused before it is done: StatusJournal.
func (k *Kernel) ready() abi.Status {
	if !k.wounded.Load() {
		return abi.StatusOK
	}
	if k.journal.Append(journal.Record{Kind: journal.KindNote, Text: "the journal takes records again"}) != abi.StatusOK {
		return abi.StatusJournal
	}
	k.wounded.Store(false)
	return abi.StatusOK
}

// must records what is only done when it is recorded.
func (k *Kernel) must(r journal.Record) abi.Status {
	if status := k.journal.Append(r); status != abi.StatusOK {
		k.wounded.Store(true)
		return abi.StatusJournal
	}
	return abi.StatusOK
}

// note records what takes authority away, or has happened already: it is done
// even when the journal does not take it. But then nothing more is granted
// until the journal does.
func (k *Kernel) note(r journal.Record) {
	if k.journal.Append(r) != abi.StatusOK {
		k.wounded.Store(true)
	}
}

// noteDerive records that a capability came into being or changed hands.
func (k *Kernel) noteDerive(p *Port, from *capability.Ref, m *abi.Mint, kind journal.Kind, to *Domain) abi.Status {
	badge := from.Badge
	if m.Badge != 0 {
		badge = m.Badge
	}
	return k.must(journal.Record{
		Kind: kind, Task: p.domain.ID(), Object: from.Object.ID(), Type: from.Object.Type(),
		Rights: m.Rights, Pass: m.Pass, Badge: badge, Peer: to.ID(), After: m.Ceiling,
		Words: [abi.MessageWords]uint64{uint64(from.Key()), uint64(m.Expires), m.Base, m.Bytes}, //nolint:gosec // G115: a time is a time
	})
}

// refuse records a refusal and returns it. What is no refusal, such as an
// empty mailbox or a deadline, is not recorded.
func (p *Port) refuse(r *capability.Ref, c abi.Call, status abi.Status) abi.Status {
	// The others are refusals.
	//exhaustive:ignore
	switch status {
	case abi.StatusEmpty, abi.StatusTimeout, abi.StatusKilled, abi.StatusMailboxFull, abi.StatusBusy,
		abi.StatusPeerDead, abi.StatusJournal, abi.StatusState:
		return status
	}
	if mutant.On(mutant.JournalSkipsDenials) || !p.domain.mayRecord(p.kernel) {
		return status
	}
	record := journal.Record{Kind: journal.KindDeny, Task: p.domain.ID(), Call: uint16(c), Status: status}
	if r != nil {
		record.Object, record.Type, record.Badge = r.Object.ID(), r.Object.Type(), r.Badge
		record.Rights, record.Pass = r.Rights(), r.Pass()
	}
	p.kernel.note(record)
	return status
}

// mayRecord counts a refusal. Those over the limit of a unit of time are
// summed up in one record when the next unit begins.
func (d *Domain) mayRecord(k *Kernel) bool {
	now := k.machine.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &d.denials
	if now-n.since >= denialUnitNS || n.since == 0 {
		if n.dropped > 0 {
			k.note(journal.Record{Kind: journal.KindDeny, Task: d.ID(), Words: [abi.MessageWords]uint64{n.dropped}, Text: "more refusals, not recorded one by one"})
		}
		*n = denials{since: max(now, 1)}
	}
	n.count++
	if n.count > denialsPerUnit {
		n.dropped++
		return false
	}
	return true
}

// invokeRecorded is Invoke in record mode: every call is written down before it
// is done, also one that will be refused, and how it ended after.
func (p *Port) invokeRecorded(h abi.Handle, c abi.Call, a *abi.Args) abi.Status {
	record := journal.Record{
		Kind: journal.KindCall, Task: p.domain.ID(), Call: uint16(c),
		Words: [abi.MessageWords]uint64(a.W[:abi.MessageWords]), Digest: digest(a),
	}
	if r, status := p.domain.space.Lookup(h, 0); status == abi.StatusOK {
		record.Object, record.Type, record.Badge = r.Object.ID(), r.Object.Type(), r.Badge
	}
	if p.kernel.must(record) != abi.StatusOK {
		return abi.StatusJournal
	}
	status := p.invoke(h, c, a)
	p.kernel.note(journal.Record{
		Kind: journal.KindReply, Task: p.domain.ID(), Call: uint16(c), Status: status,
		Words: [abi.MessageWords]uint64(a.W[:abi.MessageWords]), Digest: digest(a),
	})
	return status
}

// digest is over the bytes that a call carries.
func digest(a *abi.Args) [sha256.Size]byte {
	switch {
	case a.Message != nil:
		return sha256.Sum256(a.Message.Payload())
	case a.Bytes != nil:
		return sha256.Sum256(a.Bytes)
	default:
		return [sha256.Size]byte{}
	}
}
