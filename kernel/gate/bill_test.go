package gate_test

import (
	"testing"

	"phios/abi"
	"phios/kernel/gate"
	"phios/kernel/hook"
)

// TestBill lets a server keep what pays for a call, and spends from it after
// the call: together or nothing, and not any more once the caller has lost the
// capability.
func TestBill(t *testing.T) {
	w := newWorld(t)
	model := abi.Args{W: [6]uint64{1, uint64(abi.ObjectModel)}, Label: abi.LabelTop()}
	w.root.do(w.root.budget, abi.EndpointCreate, &model, abi.StatusOK)
	e := abi.Handle(model.W[0])
	var bill gate.Bill
	var rights abi.Rights
	status := w.root.port.Serve(e, handlerFunc(func(p *gate.Port, _ *abi.Message) abi.Status {
		bill, rights = p.Bill(), p.CallerRights()
		return abi.StatusOK
	}), true)
	if status != abi.StatusOK {
		t.Fatal(status)
	}
	if w.root.port.CallerRights() != 0 || w.root.port.Bill().Check() != abi.StatusState {
		t.Error("a port that serves nothing has a caller")
	}
	client := w.boot(16)
	may := abi.RightInvoke | abi.RightSend | abi.RightRun
	h := w.give(w.root, e, client, abi.Whole(may))
	var seen hook.Inference
	w.kernel.Hooks().InstallInference(func(c hook.Inference) abi.Status { seen = c; return abi.StatusOK })
	client.call(h, abi.Message{Words: [4]uint64{7, 9, abi.AIEmbed, abi.AIJSON | 5}, Length: 3}, abi.StatusOK)
	if seen.Operation != abi.AIEmbed || seen.Prompt != 3 || seen.Limit != 5 {
		t.Errorf("the hook saw %+v", seen)
	}
	if rights != may {
		t.Errorf("the caller may %v, want %v", rights, may)
	}
	before := w.spent(client)
	for _, c := range []struct {
		amounts abi.Amounts
		want    abi.Status
	}{
		{abi.Amounts{abi.ResourceTokens: 5, abi.ResourceEnergy: 7}, abi.StatusOK},
		{abi.Amounts{abi.ResourceTokens: 5, abi.ResourceEnergy: 1 << 60}, abi.StatusBudget},
		{abi.Amounts{abi.ResourceMemory: 1}, abi.StatusBadArgument},
	} {
		if got := bill.Spend(c.amounts); got != c.want {
			t.Errorf("spend %v: %v, want %v", c.amounts, got, c.want)
		}
	}
	after := w.spent(client)
	if after[abi.ResourceTokens] != before[abi.ResourceTokens]+5 || after[abi.ResourceEnergy] != before[abi.ResourceEnergy]+7 {
		t.Errorf("spent %v, before %v", after, before)
	}
	w.root.do(e, abi.CapRevoke, &abi.Args{}, abi.StatusOK)
	if got := bill.Spend(abi.Amounts{abi.ResourceTokens: 1}); got != abi.StatusRevoked {
		t.Errorf("after the revocation: %v", got)
	}
}

// spent is what a task's budget has used up.
func (w *world) spent(a actor) abi.Amounts {
	w.t.Helper()
	args := abi.Args{W: [6]uint64{2}}
	a.do(a.budget, abi.BudgetInspect, &args, abi.StatusOK)
	return args.W
}
