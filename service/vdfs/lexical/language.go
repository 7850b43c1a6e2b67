package lexical

// detectTokensMax is how much of a text is looked at to tell its language.
const detectTokensMax = 200

// tell guesses the language of a text by its commonest words. It needs no model:
// one word in three of running text is among these, and two languages do not
// ask for more. What has none of them is Detect: unknown.
func tell(text string) Language {
	s := segmenter{text: cutAt(text, 8*detectTokensMax)}
	var counts [languages]int
	for range detectTokensMax {
		t, ok := s.next()
		if !ok {
			break
		}
		if len(t.text) <= 5 {
			counts[commonWord(t.text)]++
		}
	}
	switch {
	case counts[French] > counts[English]:
		return French
	case counts[English] > 0:
		return English
	}
	return Detect
}

// commonWord tells the language of a word that only one of them has often.
func commonWord(word string) Language {
	switch word {
	case "the", "of", "and", "to", "is", "that", "for", "with", "are", "was", "this", "be", "by", "from", "it",
		"The", "what", "What", "how", "How", "which", "This", "It", "an", "at", "not", "have", "has", "in", "In":
		return English
	case "le", "la", "les", "des", "du", "et", "un", "une", "est", "dans", "que", "qui", "pour", "sur", "par",
		"au", "aux", "ne", "pas", "ce", "cette", "sont", "Le", "La", "Les", "Un", "Une", "Quel", "quel", "avec", "de", "en", "En":
		return French
	}
	return Detect
}
