package wasi

import (
	"phios/abi"
	"phios/capsule/ambient/ops"
)

// Errno is what a function returns: zero, or why not.
type Errno uint16

// The errors that are used here, by their numbers in the specification.
const (
	errnoOK          Errno = 0
	errnoAcces       Errno = 2
	errnoAgain       Errno = 6
	errnoBadf        Errno = 8
	errnoExist       Errno = 20
	errnoFault       Errno = 21
	errnoFbig        Errno = 22
	errnoIntr        Errno = 27
	errnoInval       Errno = 28
	errnoIO          Errno = 29
	errnoIsdir       Errno = 31
	errnoLoop        Errno = 32
	errnoMfile       Errno = 33
	errnoNametoolong Errno = 37
	errnoNfile       Errno = 41
	errnoNoent       Errno = 44
	errnoNomem       Errno = 48
	errnoNospc       Errno = 51
	errnoNosys       Errno = 52
	errnoNotdir      Errno = 54
	errnoNotempty    Errno = 55
	errnoNotsup      Errno = 58
	errnoOverflow    Errno = 61
	errnoPerm        Errno = 63
	errnoPipe        Errno = 64
	errnoRofs        Errno = 69
	errnoSpipe       Errno = 70
	errnoTimedout    Errno = 73
	errnoXdev        Errno = 75
	errnoNotcapable  Errno = 76
)

// errnoOf translates a refusal of the kernel or of a server.
func errnoOf(s abi.Status) Errno {
	// What is not here is a fault of the machine, or of this package.
	//exhaustive:ignore
	switch s {
	case abi.StatusOK:
		return errnoOK
	case abi.StatusBadHandle, abi.StatusRevoked, abi.StatusRights, abi.StatusExpired, abi.StatusExhausted,
		abi.StatusSealed, abi.StatusDenied, abi.StatusLabel, abi.StatusAuthority, abi.StatusType:
		return errnoNotcapable
	case abi.StatusTableFull, abi.StatusPeerFull:
		return errnoMfile
	case abi.StatusLimit:
		return errnoNfile
	case abi.StatusBudget, abi.StatusNoMemory:
		return errnoNomem
	case abi.StatusMailboxFull, abi.StatusEmpty, abi.StatusBusy:
		return errnoAgain
	case abi.StatusTimeout:
		return errnoTimedout
	case abi.StatusKilled:
		return errnoIntr
	case abi.StatusPeerDead:
		return errnoPipe
	case abi.StatusUnsupported, abi.StatusBadCall:
		return errnoNotsup
	case abi.StatusBadArgument:
		return errnoInval
	case abi.StatusRange:
		return errnoOverflow
	case abi.StatusState:
		return errnoBadf // the server has closed it
	default:
		return errnoIO
	}
}

// errnoOfProblem translates what a folder's server could not do.
func errnoOfProblem(p ops.Problem) Errno { //nolint:revive // cyclomatic: a table
	switch p {
	case ops.ProblemNone:
		return errnoOK
	case ops.ProblemNotFound:
		return errnoNoent
	case ops.ProblemExists:
		return errnoExist
	case ops.ProblemNotFolder:
		return errnoNotdir
	case ops.ProblemFolder:
		return errnoIsdir
	case ops.ProblemNotEmpty:
		return errnoNotempty
	case ops.ProblemNoSpace:
		return errnoNospc
	case ops.ProblemTooLarge:
		return errnoFbig
	case ops.ProblemNameTooLong:
		return errnoNametoolong
	case ops.ProblemLinks:
		return errnoLoop
	case ops.ProblemForbidden:
		return errnoAcces
	case ops.ProblemReadOnly:
		return errnoRofs
	case ops.ProblemBusy:
		return errnoAgain
	case ops.ProblemInvalid:
		return errnoInval
	case ops.ProblemSpecial:
		return errnoPerm
	case ops.ProblemAcrossDisks:
		return errnoXdev
	case ops.ProblemInputOutput:
		return errnoIO
	default:
		return errnoIO
	}
}
