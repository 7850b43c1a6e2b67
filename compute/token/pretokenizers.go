package token

// splitter is a pre-tokenizer: each finder cuts what the one before left, and
// the last leaves words.
type splitter struct {
	classes *classes
	stages  []finder
}

// pre is a pre-tokenizer and what comes with it.
type pre struct {
	stages []finder
	// whole takes a word that is a piece as it is, without merging.
	whole  bool
	addBOS bool
}

// preOf knows the pre-tokenizers by the names that files give them
// (tokenizer.ggml.pre, as llama.cpp's converter writes it).
func preOf(name string) (pre, bool) {
	gpt := matches(gpt2)
	switch name {
	case "", "default":
		return pre{stages: []finder{isolated(classPunct, "$+<=>^~|"), gpt, matches(digits), matches(exactly3)}}, true
	case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano":
		return pre{stages: []finder{modern(classLetter, 3)}, whole: true, addBOS: true}, true
	case "dbrx", "smaug-bpe", "glm4", "chatglm-bpe":
		return pre{stages: []finder{modern(classLetter, 3)}}, true
	case "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2":
		return pre{stages: []finder{modern(classLetter, 1)}}, true
	case "qwen35":
		return pre{stages: []finder{modern(classLetter|classMark, 1)}}, true
	case "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "gigachat",
		"a.x-4.0", "mellum", "modern-bert", "roberta-bpe", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4":
		return pre{stages: []finder{gpt}}, true
	case "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b":
		return pre{stages: []finder{matches(digit), gpt}}, true
	case "falcon":
		return pre{stages: []finder{isolated(classPunct, "$+<=>^~|`"), gpt, matches(exactly3)}}, true
	case "gpt-4o", "llama4", "kanana2":
		return pre{stages: []finder{cased(3, contractionAnyCase)}}, true
	case "tekken":
		return pre{stages: []finder{cased(1, noTail)}, whole: true, addBOS: true}, true
	case "deepseek-llm":
		return pre{stages: []finder{
			matches(newline), within(classSpace, casedRanges), within(classSpace, "!/:~！／：～‘‟　。"),
			trailing, within(0, asianRanges), matches(digits),
		}}, true
	case "deepseek-coder":
		return pre{stages: []finder{
			matches(newline), spaced(classLetter), spaced(classPunct), within(0, asianRanges), matches(digit),
		}}, true
	case "deepseek-v3", "hunyuan-dense":
		return pre{stages: []finder{matches(upTo3), within(0, "一龥぀ゟ゠ヿ"), matches(deepseek3)}}, true
	default:
		return pre{}, false
	}
}

// The ranges of DeepSeek's expressions, each its first and last character: the
// letters that have a case, as of Unicode 11, and the scripts of Asia.
const (
	casedRanges = "AZazµµÀÖØöøƺƼƿǄʓʕʯͰͳͶͷͻͽͿͿΆΆΈΊΌΌΎΡΣϵϷҁҊԯԱՖႠჅᎠᏵᏸᏽᲐᲺᲽᲿᴀᴫᵫᵷᵹᶚḀἕἘἝἠὅὈὍὐὗὙὙὛὛὝὝὟώᾀᾴᾶᾼ" +
		"ιιῂῄῆῌῐΐῖΊῠῬῲῴῶῼℂℂℇℇℊℓℕℕℙℝℤℤΩΩℨℨKℭℯℴℹℹℼℿⅅⅉⅎⅎↃↄⰀⱻⱾⳤⳫⳮⳲⳳꙀꙭꚀꚛꜢꝯꝱꞇꞋꞎꭰꮿﬀﬆﬓﬗＡＺａｚ" +
		"𐐀𐑏𐒰𐓓𐓘𐓻𐲀𐲲𐳀𐳲𑢠𑣟𞤀𞥃"
	asianRanges = "一龥ࠀ一가퟿"
)
