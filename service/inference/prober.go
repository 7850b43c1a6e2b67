package inference

import (
	"math"

	"phios/abi"
	"phios/api/inference"
)

// probePriority puts a probe before all requests: it is one token, and tells
// whether theirs would come.
const probePriority = math.MaxInt32

// prober is the account of probes. They are the system's own expense.
type prober struct{}

// Name is for logs and fair shares.
func (prober) Name() string { return "probe" }

// Label is of what is asked, which is nothing.
func (prober) Label() abi.Label { return abi.LabelBottom() }

// May reports that a probe may run any model.
func (prober) May(string, abi.Rights) bool { return true }

// Charge spends nothing.
func (prober) Charge(inference.Cost) bool { return true }
