package fuel

// The instructions that the rewriter looks at or writes.
const (
	opUnreachable        = 0x00
	opBlock              = 0x02
	opLoop               = 0x03
	opIf                 = 0x04
	opElse               = 0x05
	opEnd                = 0x0b
	opBr                 = 0x0c
	opBrIf               = 0x0d
	opBrTable            = 0x0e
	opReturn             = 0x0f
	opCall               = 0x10
	opCallIndirect       = 0x11
	opReturnCall         = 0x12
	opReturnCallIndirect = 0x13
	opSelect             = 0x1b
	opSelectTyped        = 0x1c
	opLocalGet           = 0x20
	opLocalSet           = 0x21
	opLocalTee           = 0x22
	opGlobalGet          = 0x23
	opGlobalSet          = 0x24
	opTableGet           = 0x25
	opTableSet           = 0x26
	opMemorySize         = 0x3f
	opMemoryGrow         = 0x40
	opI32Const           = 0x41
	opI64Const           = 0x42
	opF32Const           = 0x43
	opF64Const           = 0x44
	opI32GtU             = 0x4b
	opI32LeU             = 0x4d
	opI64LtS             = 0x53
	opI64GtU             = 0x56
	opI64LeU             = 0x58
	opI32Add             = 0x6a
	opI32Sub             = 0x6b
	opI32Or              = 0x72
	opI32Shl             = 0x74
	opI32ShrU            = 0x76
	opI64Add             = 0x7c
	opI64Sub             = 0x7d
	opI64Shl             = 0x86
	opI64ExtendI32U      = 0xad
	opRefNull            = 0xd0
	opRefFunc            = 0xd2
	opBulk               = 0xfc
	opVector             = 0xfd
	opAtomic             = 0xfe

	bulkMemoryInit = 8
	bulkDataDrop   = 9
	bulkMemoryCopy = 10
	bulkMemoryFill = 11
	bulkTableInit  = 12
	bulkElemDrop   = 13
	bulkTableCopy  = 14
	bulkTableGrow  = 15
	bulkTableSize  = 16
	bulkTableFill  = 17

	vectorConst   = 12
	vectorShuffle = 13
	blockEmpty    = 0x40
)

// class says what follows an instruction's byte.
type class uint8

const (
	classUnknown class = iota
	classPlain         // Nothing.
	classBlock         // A block type.
	classElse
	classEnd
	classLabel
	classTable // br_table: labels.
	classReturn
	classCall
	classIndirect
	classSelect // Types.
	classLocal
	classGlobal
	classTableIndex
	classMemory // Alignment and offset.
	classPages  // The memory's index, a zero.
	classI32
	classI64
	classF32
	classF64
	classRefNull
	classRefFunc
	classBulk
	classVector
	classAtomic
)

// opcode is what the scan needs to know of an instruction. Weight is its cost
// in fuel: calls and divisions take several times as long as the rest, and
// what makes no machine code is free.
type opcode struct {
	class  class
	weight uint8
}

const (
	weightPlain  = 1
	weightCall   = 4
	weightDivide = 8
)

// opcodeTable has all instructions of one byte and the prefixes.
var opcodeTable = opcodes()

func opcodes() (t [256]opcode) {
	set := func(c class, weight uint8, from, to int) {
		for op := from; op <= to; op++ {
			t[op] = opcode{c, weight}
		}
	}
	set(classReturn, weightPlain, opUnreachable, opUnreachable)
	set(classPlain, 0, 0x01, 0x01) // nop
	set(classBlock, 0, opBlock, opLoop)
	set(classBlock, weightPlain, opIf, opIf)
	set(classElse, weightPlain, opElse, opElse)
	set(classEnd, 0, opEnd, opEnd)
	set(classLabel, weightPlain, opBr, opBrIf)
	set(classTable, weightCall, opBrTable, opBrTable)
	set(classReturn, weightPlain, opReturn, opReturn)
	set(classCall, weightCall, opCall, opCall)
	set(classCall, weightCall, opReturnCall, opReturnCall)
	set(classIndirect, weightDivide, opCallIndirect, opCallIndirect)
	set(classIndirect, weightDivide, opReturnCallIndirect, opReturnCallIndirect)
	set(classPlain, weightPlain, 0x1a, opSelect) // drop, select
	set(classSelect, weightPlain, opSelectTyped, opSelectTyped)
	set(classLocal, weightPlain, opLocalGet, opLocalTee)
	set(classGlobal, weightPlain, opGlobalGet, opGlobalSet)
	set(classTableIndex, weightPlain, opTableGet, opTableSet)
	set(classMemory, weightPlain, 0x28, 0x3e)
	set(classPages, weightPlain, opMemorySize, opMemoryGrow)
	set(classI32, weightPlain, opI32Const, opI32Const)
	set(classI64, weightPlain, opI64Const, opI64Const)
	set(classF32, weightPlain, opF32Const, opF32Const)
	set(classF64, weightPlain, opF64Const, opF64Const)
	set(classPlain, weightPlain, 0x45, 0xc4)   // All arithmetic.
	set(classPlain, weightDivide, 0x6d, 0x70)  // i32 division and remainder
	set(classPlain, weightDivide, 0x7f, 0x82)  // i64
	set(classPlain, weightDivide, 0x91, 0x91)  // f32.sqrt
	set(classPlain, weightDivide, 0x95, 0x95)  // f32.div
	set(classPlain, weightDivide, 0x9f, 0x9f)  // f64.sqrt
	set(classPlain, weightDivide, 0xa3, 0xa3)  // f64.div
	set(classRefNull, weightPlain, 0xd0, 0xd0) // ref.null
	set(classPlain, weightPlain, 0xd1, 0xd1)   // ref.is_null
	set(classRefFunc, weightCall, 0xd2, 0xd2)  // ref.func
	set(classBulk, weightCall, 0xfc, 0xfc)     // Saturating conversions too.
	set(classVector, weightPlain, 0xfd, 0xfd)  //
	set(classAtomic, weightDivide, 0xfe, 0xfe) // Locked instructions.
	return t
}

// vectorHoles are the numbers between the vector instructions that name none.
// A set of 256 bits.
var vectorHolesTable = holes(
	0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
	0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
)

func holes(numbers ...uint8) (set [4]uint64) {
	for _, n := range numbers {
		set[n/64] |= 1 << (n % 64)
	}
	return set
}
