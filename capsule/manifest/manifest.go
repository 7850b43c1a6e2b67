// Package manifest reads the manifest of a capsule: what it runs, where, what
// it asks for and why, and how it is kept running. What is asked for is not
// granted: that is the parent's decision.
//
// A manifest is YAML, without aliases and tags, and lies with the capsule's
// files in a folder, as capsule.yaml. Its form is the JSON Schema that [Schema]
// returns; what a schema cannot say is checked behind it. All that is wrong is
// reported at once, each with its line, its field and what to do.
//
// A manifest can be signed, see [Sign]: the signature lies beside it, in
// capsule.yaml.sig, and covers the manifest and every file that it needs.
package manifest

import (
	"time"

	"phios/abi"
)

// The files of a capsule's folder.
const (
	FileName      = "capsule.yaml"
	SignatureName = FileName + ".sig"
)

// The limits of a manifest and what lies beside it.
const (
	BytesMax          = 64 << 10
	DepthMax          = 8  // mappings and lists in each other
	ProblemsMax       = 20 // reported at once
	NameBytesMax      = 32
	FilesMax          = 256
	FileBytesMax      = 256 << 20 // all files together
	SignatureBytesMax = 1 << 10
)

// What a manifest that does not say gets.
const (
	memoryDefaultBytes = 64 << 20
	slotsDefault       = 256
	cpuDefault         = time.Hour
	energyDefault      = 50_000_000_000 // microjoules: an hour of a processor at 14 W
	delayDefault       = 100 * time.Millisecond
	delayMaxDefault    = 10 * time.Second
	restartsDefault    = 5
	windowDefault      = time.Minute
	withinDefault      = 2 * time.Second
)

// Manifest is a capsule's manifest that is in order.
type Manifest struct {
	// File is the name that errors give.
	File string
	// Name is what the capsule is called: lower-case letters, digits and
	// hyphens, at most NameBytesMax.
	Name string
	// Purpose is one line for people, Colour how they tell it apart.
	Purpose, Colour string
	// Image is the module's path, relative to the manifest.
	Image string
	// Command is what a native capsule runs, its first word a program in the
	// jail; the files beside the manifest are its working folder.
	Command []string
	// Tier is one of capsule's.
	Tier string
	// Arguments and Environment are the program's.
	Arguments   []string
	Environment map[string]string
	// Requests are the capabilities that it asks for.
	Requests []Request
	// Serves is the capacity of the mailbox of its endpoint; zero for a capsule
	// that does not serve.
	Serves int
	// Budget is what it may take at most.
	Budget abi.Amounts
	// Restart says what happens when it ends.
	Restart Restart
	// Probe says how to find out whether it works.
	Probe Probe
	// WallsMissing names the walls that it starts without where the machine
	// does not have them.
	WallsMissing []string
	// Domain is the trust domain; empty is one of its own.
	Domain string
	// Signer is the public key of the signature, empty when unsigned.
	Signer string
}

// The kinds of what can be asked for.
const (
	KindClock    = "clock"
	KindRandom   = "random"
	KindFolder   = "folder"
	KindEndpoint = "endpoint"
	KindRegion   = "region"
	KindModel    = "model"
)

// Request is a capability that a capsule asks for.
type Request struct {
	// Name is what the program calls it.
	Name string
	// Kind is one of the kinds.
	Kind string
	// Of is the capsule whose endpoint it is, the region's or model's name.
	Of string
	// Rights are those asked for; empty asks for the kind's usual ones.
	Rights abi.Rights
	// Bytes is the size of a region that is made when there is none.
	Bytes uint64
	// Reason is why, for whoever decides. No request is without.
	Reason string
}

// The restart policies.
const (
	RestartNever     = "never"
	RestartOnFailure = "on-failure"
	RestartAlways    = "always"
)

// Restart says what happens when a capsule ends.
type Restart struct {
	Policy string
	// Delay is the first wait before a restart; it doubles up to DelayMax.
	Delay, DelayMax time.Duration
	// Limit restarts within the Window are the most; then it has failed.
	Limit  int
	Window time.Duration
}

// Probe is a message that a working capsule answers with StatusOK.
type Probe struct {
	// Text is the message's payload; empty sends an empty one.
	Text string
	// Within is how long it has after a reload.
	Within time.Duration
}
