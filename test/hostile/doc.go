// Package hostile holds programs that mean harm, and the tests that they must
// not pass: a capsule that spins, recurses, takes all memory, floods a
// mailbox, forges handles, writes to what it may only read, changes bytes
// while they are checked, and hands garbage to every function that it can
// import; and native programs that fork, dial out, look around and touch what
// is not theirs.
//
// Every attack runs in the real tiers behind the real walls. What is asserted
// is always the same three things: the node answers others meanwhile, the
// attacker gained nothing that it was not given, and everything that it took
// is back when it is gone.
package hostile
