package grammar

// The bounds of white space between the parts of a JSON text: nothing, a space,
// or a new line with an indent. A model that would like to write spaces for
// ever must go on.
const indentMax = 24

// The bounds of numbers: what a float64 holds, and a reader of integers reads.
const (
	integerDigitsMax  = 15
	fractionDigitsMax = 17
)

// The rules that all JSON grammars share, behind the rule of the whole text.
const (
	ruleRoot = iota
	ruleValue
	ruleObject
	ruleArray
	ruleString
	ruleNumber
	ruleInteger
	ruleLine
	rulesShared
)

var sharedNamesTable = [rulesShared]string{"the document", "value", "object", "array", "string", "number", "integer", "white space"}

// JSON returns the grammar of any JSON value.
func JSON() (*Grammar, error) {
	rules := sharedRules()
	rules[ruleRoot] = call(ruleValue)
	return compile(rules, sharedNamesTable[:])
}

func sharedRules() []*node {
	r := make([]*node, rulesShared)
	r[ruleValue] = alt(call(ruleObject), call(ruleArray), call(ruleString), call(ruleNumber),
		literal("true"), literal("false"), literal("null"))
	member := seq(call(ruleString), literal(":"), space(), call(ruleValue))
	r[ruleObject] = enclosed("{", member, 0, unlimited, "}")
	r[ruleArray] = enclosed("[", call(ruleValue), 0, unlimited, "]")
	r[ruleString] = seq(literal(`"`), star(character()), literal(`"`))
	r[ruleNumber] = seq(integer(), optional(fraction()), optional(exponent()))
	r[ruleInteger] = integer()
	r[ruleLine] = seq(literal("\n"), repeat(oneOfBytes(" \t"), 0, indentMax))
	return r
}

// space is bounded white space.
func space() *node { return optional(alt(literal(" "), call(ruleLine))) }

// enclosed is a list of items with commas.
func enclosed(open string, item *node, least, most int, end string) *node {
	var items *node
	more := seq(literal(","), space(), item)
	switch most {
	case 0:
		items = empty()
	case unlimited:
		items = seq(item, repeat(more, max(least-1, 0), unlimited), space())
	default:
		items = seq(item, repeat(more, max(least-1, 0), most-1), space())
	}
	if least == 0 {
		items = optional(items)
	}
	return seq(literal(open), space(), items, literal(end))
}

// character is a character of a JSON string, written in any way but as a pair
// of surrogates.
func character() *node {
	return alt(plainCharacter(), seq(literal(`\`), alt(
		oneOfBytes(`"\/bfnrt`),
		seq(literal("u"), alt(
			seq(oneOfBytes("0123456789abcefABCEF"), hex(), hex(), hex()),
			seq(oneOfBytes("dD"), oneOfBytes("01234567"), hex(), hex()))))))
}

func plainCharacter() *node {
	return class([]rune{' ', '!', '#', '[', ']', 0x10FFFF})
}

func hex() *node   { return oneOfBytes("0123456789abcdefABCDEF") }
func digit() *node { return span('0', '9') }

func integer() *node {
	return seq(optional(literal("-")), natural())
}

func natural() *node {
	return alt(literal("0"), seq(span('1', '9'), repeat(digit(), 0, integerDigitsMax-1)))
}

func fraction() *node { return seq(literal("."), repeat(digit(), 1, fractionDigitsMax)) }

// exponent keeps numbers inside a float64.
func exponent() *node {
	return seq(oneOfBytes("eE"), optional(oneOfBytes("+-")), optional(oneOfBytes("12")), digit())
}
