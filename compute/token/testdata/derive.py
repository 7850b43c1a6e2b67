#!/usr/bin/env python3
"""Makes the small vocabularies and the golden encodings of this folder again.

    derive.py LLAMA_LIBRARIES

LLAMA_LIBRARIES is a folder with libllama of llama.cpp. The modules regex and
sentencepiece are needed. Vocabularies are trained on corpus.json, which is
written by hand and not derived; encodings are llama.cpp's, SentencePiece's and
those of a plain merge loop below that shares nothing with the Go code; splits
are those of module regex running the published expressions.
"""
import ctypes, glob, io, json, os, random, struct, sys, tempfile, unicodedata
import regex
import sentencepiece

HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=True, indent=None, separators=(",", ":"))
        f.write("\n")


# --- llama.cpp, through its library ---------------------------------------

class Params(ctypes.Structure):
    # Larger than the library's; only vocab_only is set, at its offset.
    _fields_ = [("bytes", ctypes.c_ubyte * 512)]


VOCAB_ONLY = 72


class Llama:
    def __init__(self, folder):
        def load(name):
            return ctypes.CDLL(glob.glob(os.path.join(folder, name))[0], mode=ctypes.RTLD_GLOBAL)
        load("libggml-base.so")
        load("libggml.v*.so").ggml_backend_load_all_from_path(folder.encode())
        self.l = load("libllama.v*.so")
        self.l.llama_model_default_params.restype = Params
        self.l.llama_model_load_from_file.restype = ctypes.c_void_p
        self.l.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
        self.l.llama_model_get_vocab.restype = ctypes.c_void_p
        self.l.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
        self.l.llama_vocab_is_eog.restype = ctypes.c_bool
        self.l.llama_vocab_is_eog.argtypes = [ctypes.c_void_p, ctypes.c_int]
        self.l.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p,
                                          ctypes.c_int, ctypes.c_bool, ctypes.c_bool]
        self.log = []
        self.callback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
            lambda level, text, data: self.log.append(text.decode("utf-8", "replace")))
        self.l.llama_log_set(self.callback, None)

    def open(self, vocabulary):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as f:
            f.write(gguf(vocabulary))
            f.flush()
            p = self.l.llama_model_default_params()
            p.bytes[VOCAB_ONLY] = 1
            m = self.l.llama_model_load_from_file(f.name.encode(), p)
            if not m:
                raise SystemExit("".join(self.log[-20:]))
            self.vocab = self.l.llama_model_get_vocab(m)
        return self

    def encode(self, text, special):
        room = len(text) * 4 + 64
        out = (ctypes.c_int32 * room)()
        n = self.l.llama_tokenize(self.vocab, text, len(text), out, room, False, special)
        assert n >= 0
        return list(out[:n])

    def ends(self, size):
        return [i for i in range(size) if self.l.llama_vocab_is_eog(self.vocab, i)]


def gguf(vocabulary):
    def s(x):
        b = x.encode("utf-8")
        return struct.pack("<Q", len(b)) + b
    kv = {"general.architecture": "llama"}
    kv.update(vocabulary)
    b = b"GGUF" + struct.pack("<IQQ", 3, 0, len(kv))
    for k, v in kv.items():
        b += s(k)
        if isinstance(v, bool):
            b += struct.pack("<IB", 7, v)
        elif isinstance(v, int):
            b += struct.pack("<II", 4, v)
        elif isinstance(v, str):
            b += struct.pack("<I", 8) + s(v)
        elif k.endswith("charsmap"):
            b += struct.pack("<IIQ", 9, 0, len(v)) + bytes(v)
        elif isinstance(v[0], str):
            b += struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(s, v))
        elif isinstance(v[0], float):
            b += struct.pack("<IIQ%df" % len(v), 9, 6, len(v), *v)
        else:
            b += struct.pack("<IIQ%di" % len(v), 9, 5, len(v), *v)
    return b


# --- training --------------------------------------------------------------

def byte_alphabet():
    keep = list(range(33, 127)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    out, n = {}, 0x100
    for b in range(256):
        if b in keep:
            out[b] = chr(b)
        else:
            out[b] = chr(n)
            n += 1
    return out


ALPHABET = byte_alphabet()


def train_bpe(words, count):
    """The textbook loop: merge the commonest pair, ties by their text."""
    words = [[ALPHABET[b] for b in w.encode("utf-8")] for w in words]
    merges = []
    for _ in range(count):
        pairs = {}
        for w in words:
            for p in zip(w, w[1:]):
                pairs[p] = pairs.get(p, 0) + 1
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        words = [join(w, best) for w in words]
    return merges


def join(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
MODERN = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?%s+|\p{N}%s| ?[^\s%s\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (r"[^\r\n\p{L}\p{N}]?" + UP + "*" + LOW + "+%s|[^\r\n\\p{L}\\p{N}]?" + UP + "+" + LOW +
         r"*%s|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CASED_LETTERS = (
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF"
    "\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5"
    "\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA"
    "\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45"
    "\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
    "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102"
    "\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3"
    "\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06"
    "\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3"
    "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF"
    "\U0001E900-\U0001E943")

# The expressions of each pre-tokenizer, applied one after the other.
EXPRESSIONS = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "llama-bpe": [MODERN % (r"\p{L}", "{1,3}", r"\p{L}")],
    "qwen2": [MODERN % (r"\p{L}", "", r"\p{L}")],
    "qwen35": [MODERN % (r"[\p{L}\p{M}]", "", r"\p{L}\p{M}")],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "gpt-4o": [CASED % (CONTRACTION + "?", CONTRACTION + "?", "{1,3}")],
    "tekken": [CASED % ("", "", "")],
    "deepseek-llm": ["[\r\n]", r"\s?[" + CASED_LETTERS + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+\Z",
                     "[一-龥ࠀ-一가-퟿]+", r"\p{N}+"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
                    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
}


def split(text, expressions):
    pieces = [text]
    for e in expressions:
        e, out = regex.compile(e), []
        for p in pieces:
            at = 0
            for m in e.finditer(p):
                if m.end() == m.start():
                    continue
                if m.start() > at:
                    out.append(p[at:m.start()])
                out.append(m.group())
                at = m.end()
            if at < len(p):
                out.append(p[at:])
        pieces = out
    return pieces


def byte_level(pre, texts):
    words = [w for t in texts for w in split(t, EXPRESSIONS[pre])]
    merges = train_bpe(words, 220)
    tokens = [ALPHABET[b] for b in range(256)]
    for a, b in merges:
        if a + b not in tokens:
            tokens.append(a + b)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>"]
    types = [1] * len(tokens) + [3, 3, 3, 4]
    return {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens + special, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": [a + " " + b for a, b in merges],
        "tokenizer.ggml.eos_token_id": len(tokens) + 2, "tokenizer.ggml.bos_token_id": len(tokens),
    }


def reference_bpe(v, text):
    """Byte-level BPE as its papers say it, on what module regex splits."""
    rank = {tuple(m.split(" ")): i for i, m in enumerate(v["tokenizer.ggml.merges"])}
    ids = {t: i for i, t in enumerate(v["tokenizer.ggml.tokens"])}
    whole = v["tokenizer.ggml.pre"] in ("llama-bpe", "tekken")
    out = []
    for w in split(text, EXPRESSIONS[v["tokenizer.ggml.pre"]]):
        w = [ALPHABET[b] for b in w.encode("utf-8")]
        if whole and "".join(w) in ids:
            w = ["".join(w)]
        while True:
            best = min(zip(w, w[1:]), key=lambda p: rank.get(p, 1 << 30), default=None)
            if best not in rank:
                break
            w = join(w, best)
        out += [ids[t] for t in w]
    return out


def sentencepiece_model(kind, texts):
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as f, \
            tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        # A small charsmap in place of NFKC's 240 KB: what it maps, from and to.
        for a, b in (("A", "a"), ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\r", ""), ("\u200b", ""),
                     ("\u2026", "..."), ("e\u0301", "\u00e9"), ("\ufb01", "fi"), ("\u338f", "kg")):
            rules.write(" ".join("%X" % ord(c) for c in a) + "\t" + " ".join("%X" % ord(c) for c in b) + "\n")
        rules.flush()
        for t in texts * 4:
            for line in t.split("\n"):
                if line.strip():
                    f.write(line.replace("\r", "").replace("\0", "") + "\n")
        f.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=f.name, model_writer=model, vocab_size=620, model_type=kind, character_coverage=0.98,
            byte_fallback=kind == "bpe", **({"normalization_rule_name": "identity"} if kind == "bpe" else {"normalization_rule_tsv": rules.name}),
            remove_extra_whitespaces=kind != "bpe", hard_vocab_limit=False, num_threads=1, minloglevel=2,
            pad_id=3, user_defined_symbols=["<tool>"] if kind == "bpe" else [])
    p = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens, scores, types = [], [], []
    for i in range(p.get_piece_size()):
        tokens.append(p.id_to_piece(i))
        scores.append(p.get_score(i))
        types.append(6 if p.is_byte(i) else 3 if p.is_control(i) else 2 if p.is_unknown(i) else
                     4 if tokens[-1] == "<tool>" else 1)
    v = {
        "tokenizer.ggml.model": "llama" if kind == "bpe" else "t5", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores, "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.unknown_token_id": 0,
    }
    if kind == "unigram":
        v["tokenizer.ggml.precompiled_charsmap"] = list(charsmap(model.getvalue()))
        v["tokenizer.ggml.remove_extra_whitespaces"] = True
        v["tokenizer.ggml.add_space_prefix"] = True
    return v, p


def charsmap(model):
    """The precompiled_charsmap of a model: field 3, in it field 2."""
    def fields(b):
        at = 0
        def varint():
            nonlocal at
            x = s = 0
            while True:
                c = b[at]
                at += 1
                x |= (c & 127) << s
                s += 7
                if c < 128:
                    return x
        while at < len(b):
            tag = varint()
            if tag & 7 == 0:
                varint()
            elif tag & 7 == 5:
                at += 4
            elif tag & 7 == 1:
                at += 8
            else:
                n = varint()
                yield tag >> 3, b[at:at + n]
                at += n
    for n, value in fields(model):
        if n == 3:
            for k, inner in fields(value):
                if k == 2:
                    return inner
    return b""


def wordpiece(texts):
    words = {}
    for t in texts:
        for w in regex.findall(r"\p{L}+|\p{N}+|\p{P}", t.lower()):
            words[w] = words.get(w, 0) + 1
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = sorted({c for w in words for c in w})
    tokens += ["▁" + c for c in letters] + letters
    tokens += ["▁" + w for w in sorted(words, key=lambda w: (-words[w], w)) if len(w) > 1][:120]
    tokens += ["ing", "ed", "er", "tion", "izer", "en", "ly"]
    return {
        "tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 5 + [1] * (len(tokens) - 5),
        "tokenizer.ggml.unknown_token_id": 1, "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
    }


def reference_wordpiece(v, text):
    """BERT's own algorithm. llama.cpp takes more marks for accents, and cuts
    words of any length."""
    ids = {t: i for i, t in enumerate(v["tokenizer.ggml.tokens"]) if i > 4}
    words = [""]
    for c in unicodedata.normalize("NFD", text):
        k = unicodedata.category(c)
        if c in "\t\n\r" or c.isspace():
            words.append("")
        elif c in "\0\ufffd" or k in ("Cc", "Cf", "Co", "Mn"):
            continue
        elif (k[0] == "P" or c < "\x7f" and not c.isalnum() or 0x4E00 <= ord(c) <= 0x9FFF or 0x3400 <= ord(c) <= 0x4DBF or
              0x20000 <= ord(c) <= 0x2A6DF):
            words += [c, ""]
        else:
            words[-1] += c.lower()
    out = []
    for w in words:
        if not w:
            continue
        found, rest = [], "\u2581" + w
        while rest and len(w) <= 100:
            n = next((n for n in range(len(rest), 0, -1) if rest[:n] in ids), 0)
            if n == 0:
                break
            found.append(ids[rest[:n]])
            rest = rest[n:]
        out += found if not rest else [1]
    return out


def main(libraries):
    corpus = read("corpus.json")
    texts = corpus["texts"]
    llama = Llama(libraries)

    golden, doubts = {}, 0
    for pre in ("llama-bpe", "qwen2", "gpt-2", "default", "smollm", "deepseek-v3", "gpt-4o", "tekken"):
        v = byte_level(pre, texts)
        llama.open(v)
        runs = []
        for t in texts:
            ours = reference_bpe(v, t) if "<" not in t else llama.encode(t.encode(), False)
            theirs = llama.encode(t.encode(), False)
            if ours != theirs and "<" not in t:
                doubts += 1
                print("llama.cpp differs in", pre, "on", ascii(t)[:60])
            runs.append([ours, llama.encode(t.encode(), True)] if ours == theirs else [ours, None])
        golden[pre] = {"vocabulary": v, "ends": llama.ends(len(v["tokenizer.ggml.tokens"])), "runs": runs}
    v, p = sentencepiece_model("bpe", texts)
    llama.open(v)
    runs = []
    for t in texts:
        theirs = llama.encode(t.encode(), False)
        if "<" not in t and p.encode(t) != theirs:
            doubts += 1
            print("llama.cpp differs from SentencePiece on", ascii(t)[:60])
        runs.append([theirs, llama.encode(t.encode(), True)])
    golden["llama"] = {"vocabulary": v, "ends": llama.ends(len(v["tokenizer.ggml.tokens"])), "runs": runs}
    write("golden.json", golden)

    v, p = sentencepiece_model("unigram", texts)
    llama.open(v)
    runs = []
    for t in texts:
        # SentencePiece adds scores as float32, so that ties fall differently.
        theirs = llama.encode(t.encode(), False)
        if p.encode(t) != theirs:
            print("llama.cpp and SentencePiece differ on", ascii(t)[:60])
        runs.append(theirs)
    write("unigram.json", {"vocabulary": v, "runs": runs})

    v = wordpiece(texts)
    llama.open(v)
    runs = []
    for t in texts:
        ours = reference_wordpiece(v, t)
        if ours != llama.encode(t.encode(), False):
            print("llama.cpp differs from BERT on", ascii(t)[:60])
        runs.append(ours)
    write("wordpiece.json", {"vocabulary": v, "runs": runs})

    random.seed(1)
    alphabet = ["a", "b", "Z", "É", "ß", "ǅ", "ʰ", "ª", "中", "か", "한", "'", "'s", "'LL", "'ſ", "1", "٣", "½", " ", "  ", "\t",
                "\n", "\r\n", "\u00a0", "\u3000", ".", ",", "/", "$", "+", "`", "€", "\u0301", "\u200d", "😀", "𝒳", "\0", "。"]
    samples = ["".join(random.choice(alphabet) for _ in range(random.randint(1, 14))) for _ in range(600)]
    splits = {}
    for name, e in EXPRESSIONS.items():
        splits[name] = [[len(w.encode("utf-8")) for w in split(t, e)] for t in samples]
    write("splits.json", {"samples": samples, "splits": splits})
    print("differences between the references:", doubts)


main(sys.argv[1])
