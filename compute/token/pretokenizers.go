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
	casedRanges = "AZaz\u00B5\u00B5\u00C0\u00D6\u00D8\u00F6\u00F8\u01BA\u01BC\u01BF\u01C4\u0293\u0295\u02AF\u0370\u0373" +
		"\u0376\u0376\u0377\u0377\u037B\u037D\u037F\u037F\u0386\u0386\u0388\u038A\u038C\u038C\u038E\u03A1" +
		"\u03A3\u03F5\u03F7\u0481\u048A\u052F\u0531\u0556\u10A0\u10C5\u13A0\u13F5\u13F8\u13FD\u1C90\u1CBA" +
		"\u1CBD\u1CBF\u1D00\u1D2B\u1D6B\u1D77\u1D79\u1D9A\u1E00\u1F15\u1F18\u1F1D\u1F20\u1F45\u1F48\u1F4D" +
		"\u1F50\u1F57\u1F59\u1F59\u1F5B\u1F5B\u1F5D\u1F5D\u1F5F\u1F7D\u1F80\u1FB4\u1FB6\u1FBC\u1FBE\u1FBE" +
		"\u1FC2\u1FC4\u1FC6\u1FCC\u1FD0\u1FD3\u1FD6\u1FDB\u1FE0\u1FEC\u1FF2\u1FF4\u1FF6\u1FFC\u2102\u2102" +
		"\u2107\u2107\u210A\u2113\u2115\u2115\u2119\u211D\u2124\u2124\u2126\u2126\u2128\u2128\u212A\u212D" +
		"\u212F\u2134\u2139\u2139\u213C\u213F\u2145\u2149\u214E\u214E\u2183\u2183\u2184\u2184\u2C00\u2C7B" +
		"\u2C7E\u2CE4\u2CEB\u2CEE\u2CF2\u2CF2\u2CF3\u2CF3\uA640\uA66D\uA680\uA69B\uA722\uA76F\uA771\uA787" +
		"\uA78B\uA78E\uAB70\uABBF\uFB00\uFB06\uFB13\uFB17\uFF21\uFF3A\uFF41\uFF5A\U00010400\U0001044F" +
		"\U000104B0\U000104D3\U000104D8\U000104FB\U00010C80\U00010CB2\U00010CC0\U00010CF2\U000118A0\U000118DF" +
		"\U0001E900\U0001E943"
	asianRanges = "一龥ࠀ一가퟿"
)
