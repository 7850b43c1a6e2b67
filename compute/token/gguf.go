package token

// FromGGUF makes the tokenizer that a file describes. It keeps nothing of the
// file but the texts of the pieces. Errors are [ErrVocabulary] and
// [ErrUnsupported], with what was found.
func FromGGUF(f Metadata) (*Tokenizer, error) {
	model, ok := f.Text(keyModel)
	if !ok {
		return nil, damaged("the file does not say which tokenizer it has: no %s", keyModel)
	}
	t := new(Tokenizer)
	var err error
	switch model {
	case "llama":
		err = t.makeSentencePiece(f)
	case "gpt2":
		err = t.makeByteLevel(f)
	case "t5":
		err = t.makeUnigram(f)
	case "bert":
		err = t.makeWordPiece(f)
	default:
		err = unsupported("tokenizers of kind %.40q", model)
	}
	if err != nil {
		return nil, err
	}
	for id, text := range t.texts {
		i := int32(id)
		switch k := t.kinds[id]; {
		case k == kindUserDefined:
			t.always.add(text, i)
			t.asked.add(text, i)
		case k.control():
			t.asked.add(text, i)
		}
	}
	return t, nil
}

func (t *Tokenizer) makeSentencePiece(f Metadata) error {
	if err := t.read(f, defaults{bos: 1, eos: 2, unknown: 0, addBOS: true}); err != nil {
		return err
	}
	c, err := newSentencePiece(f, &t.vocabulary)
	if err != nil {
		return err
	}
	t.coder = c
	t.render(spellSentencePiece)
	return nil
}

func (t *Tokenizer) makeByteLevel(f Metadata) error {
	name, _ := f.Text(keyPre)
	p, ok := preOf(name)
	if !ok {
		return unsupported("byte-level BPE with the pre-tokenizer %.40q", name)
	}
	// llama.cpp has token 11 for BOS and EOS when the file names none, which is
	// right for Falcon and a comma in most others.
	if err := t.read(f, defaults{bos: -1, eos: -1, unknown: -1, addBOS: p.addBOS}); err != nil {
		return err
	}
	c, err := newByteLevel(f, &t.vocabulary, p)
	if err != nil {
		return err
	}
	t.coder = c
	t.render(newAlphabet().spell)
	return nil
}

func (t *Tokenizer) makeUnigram(f Metadata) error {
	if err := t.read(f, defaults{bos: -1, eos: 1, unknown: 2, addEOS: true}); err != nil {
		return err
	}
	c, err := newUnigramCoder(f, &t.vocabulary)
	if err != nil {
		return err
	}
	t.coder = c
	t.render(spellSentencePiece)
	return nil
}

func (t *Tokenizer) makeWordPiece(f Metadata) error {
	if err := t.read(f, defaults{bos: 101, eos: -1, unknown: 100, addBOS: true}); err != nil {
		return err
	}
	c, err := newWordPiece(f, &t.vocabulary)
	if err != nil {
		return err
	}
	t.coder = c
	t.render(spellWordPiece)
	return nil
}
