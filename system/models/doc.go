// Package models lets capsules reach inference: each model is a kernel object,
// of the type MODEL, that answers the operations of phi:ai on the thread of
// whoever calls. What a word of a request or of an answer means is said with
// abi.AIInfer.
//
// Who may do what is decided by the capability that a call comes through: RUN
// to generate and to embed, LOAD to have a model loaded that is not, MAP to see
// its file. The tokens, the time and the energy are paid by the caller's budget;
// when that has run out, the answer is what was generated until then.
//
// A caller that dies, or whose capability is revoked, is not worked for any
// longer: each request is looked after every [pollNS] nanoseconds, and ends
// within a step. Requests carry the label of the call and of the region that
// they lie in; the service shares nothing between labels.
//
// # What a caller can hold
//
// Streams and batches outlive a call, and so are bounded: [StreamsMax] and
// inference.OpenBatchesMax for each holder. A stream that nobody asks for the
// next piece of ends after [streamIdleNS] nanoseconds.
//
// Lock order: Models.mu → holder.mu → stream.mu. None is held while the kernel
// or the service is called, but for model.mu, which is held by nobody who has
// another while a model's region is made.
//
// Ledger: S13 S14 S18.
//
// Seed name: Model capabilities.
// Seed name: AI system calls.
package models
