package phi

import "math"

// Model is a model that can be asked. Infer is the call itself, for programs
// that lay out their own messages; the rest is made of it.
type Model struct{ Capability }

// Reason is why a text ended: one of AIReasonStop and its like.
type Reason uint32

// Answer is what a model says.
type Answer struct {
	Text   string
	Reason Reason
	// Read and Written are the tokens of the prompt and of the text.
	Read, Written uint32
	// LeftOut is how many bytes of the text found no room.
	LeftOut uint32
}

// Infer runs the model on the request in m and leaves in m what it says.
func (m Model) Infer(request *Message) error { return aiInfer(m.Capability, request).err() }

// InferText runs the model on a prompt of at most MessageBytesMax bytes and
// returns what it says, cut to as many bytes; see Ask for more.
func (m Model) InferText(prompt string) (string, error) {
	var request Message
	if err := request.SetText(prompt); err != nil {
		return "", err
	}
	if err := m.Infer(&request); err != nil {
		return "", err
	}
	return request.Text(), nil
}

// Ask runs the model on a prompt of any length and returns what it says, of at
// most so many tokens; zero is as many as fit. A prompt of more than
// MessageBytesMax bytes is sent in a region, made on the capability "budget".
func (m Model) Ask(prompt string, tokens uint32) (Answer, error) {
	s, err := m.Stream(prompt, tokens)
	if err != nil {
		return Answer{}, err
	}
	var text []byte
	for {
		piece, more, err := s.Next()
		if err != nil {
			return Answer{}, err
		}
		text = append(text, piece...)
		if !more {
			s.answer.Text = string(text)
			return s.answer, nil
		}
	}
}

// AskJSON is Ask for a request in JSON, which can say more: messages, sampling,
// constraints, tools. The answer is JSON of at most room bytes; the fields of
// both are in docs/capsules.md.
func (m Model) AskJSON(request string, room uint64) (string, error) {
	var message Message
	text, _, err := m.operate(aiInfer, &message, request, AIJSON, room)
	return text, err
}

// Stream is a text under way.
type Stream struct {
	model  Model
	number uint64
	answer Answer
}

// Stream begins a text; see Ask. Next returns its pieces.
func (m Model) Stream(prompt string, tokens uint32) (*Stream, error) {
	var message Message
	if _, _, err := m.operate(aiInfer, &message, prompt, AIStream|uint64(tokens), 0); err != nil {
		return nil, err
	}
	return &Stream{model: m, number: message.Words[0] << AINumberShift}, nil
}

// Next waits for the next piece of the text. Without more, it is the last, and
// Answer tells why.
func (s *Stream) Next() (piece string, more bool, err error) {
	var message Message
	message.Words[3] = AINext | s.number
	if err := s.model.Infer(&message); err != nil {
		return "", false, err
	}
	s.answer = answerOf(&message)
	return message.Text(), s.answer.Reason == 0, nil
}

// Answer is what is known at the end; its Text is the caller's to collect.
func (s *Stream) Answer() Answer { return s.answer }

// Stop ends the text before its end.
func (s *Stream) Stop() error {
	var message Message
	message.Words[3] = AIStop | s.number
	return s.model.Infer(&message)
}

// Embed turns texts without zero bytes into vectors of unit length.
func (m Model) Embed(texts ...string) ([][]float32, error) {
	var body []byte
	for i, t := range texts {
		if i > 0 {
			body = append(body, 0)
		}
		body = append(body, t...)
	}
	const widest = 16 << 10 // bytes of a vector
	var message Message
	rows, words, err := m.operate(aiEmbed, &message, string(body), 0, uint64(len(texts))*widest)
	if err != nil {
		return nil, err
	}
	width := int(uint32(words[2]))
	if words[2]>>32 != 0 || width == 0 || len(rows) != 4*width*len(texts) {
		return nil, StatusRange
	}
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = make([]float32, width)
		for k := range vectors[i] {
			vectors[i][k] = math.Float32frombits(little32(rows[4*(i*width+k):]))
		}
	}
	return vectors, nil
}

// MapModel asks for a region that shows the model's file, for reading, and the
// length of the file.
func (m Model) MapModel() (r Region, bytes uint64, err error) {
	var request Message
	if s := aiMapModel(m.Capability, &request); s != StatusOK {
		return Region{}, 0, s
	}
	given := request.Capabilities()
	if len(given) == 0 {
		return Region{}, 0, StatusEmpty
	}
	return given[0].Region(), request.Words[1], nil
}

// Device is the unit on which a model would run.
type Device struct {
	Unit   string
	Loaded bool
	// First is the expected time until the first token, in nanoseconds.
	First uint64
}

// SelectDevice asks which unit would run the model under constraints: "", or
// JSON with the fields kind, unit, latency_ns and local.
func (m Model) SelectDevice(constraints string) (Device, error) {
	var message Message
	if err := message.SetText(constraints); err != nil {
		return Device{}, err
	}
	if s := aiSelectDevice(m.Capability, &message); s != StatusOK {
		return Device{}, s
	}
	return Device{message.Text(), uint32(message.Words[2]) == 1, message.Words[3]}, nil
}

// Batch is requests that will run together.
type Batch struct {
	model  Model
	number uint64
	count  int
}

// Batch opens a batch.
func (m Model) Batch() (*Batch, error) {
	var message Message
	if s := aiBatchStart(m.Capability, &message); s != StatusOK {
		return nil, s
	}
	return &Batch{model: m, number: message.Words[0] << AINumberShift}, nil
}

// Add puts a prompt into the batch and returns its place.
func (b *Batch) Add(prompt string, tokens uint32) (int, error) {
	var message Message
	if _, _, err := b.model.operate(aiInfer, &message, prompt, AIBatch|b.number|uint64(tokens), 0); err != nil {
		return 0, err
	}
	b.count++
	return int(message.Words[0]), nil
}

// End runs the batch and returns its answers in order, of at most room bytes
// together. Of one that failed, the Reason is zero.
func (b *Batch) End(room uint64) ([]Answer, error) {
	const head = 16
	var message Message
	body, words, err := b.model.operate(aiBatchEnd, &message, "", b.number, room+head*uint64(b.count))
	if err != nil {
		return nil, err
	}
	if words[2]>>32 != 0 {
		return nil, StatusRange
	}
	var list []Answer
	for len(body) >= head {
		n := int(little32(body[12:]))
		if n > len(body)-head {
			return list, StatusRange
		}
		list = append(list, Answer{
			Text: body[head : head+n], Reason: Reason(little32(body) >> 16), Read: little32(body[4:]), Written: little32(body[8:]),
		})
		body = body[head+n:]
	}
	return list, nil
}

// operate sends a request of any length and returns the answer, of at most room
// bytes, and its words. What does not fit into the message goes by a region on
// the capability "budget", which ends with the call.
func (m Model) operate(call func(Capability, *Message) Status, message *Message, body string, word3, room uint64) (string, [MessageWords]uint64, error) {
	var region Region
	need := max(room, uint64(len(body)))
	if need > MessageBytesMax {
		budget, err := Named("budget")
		if err != nil {
			return "", message.Words, err
		}
		if region, err = budget.Budget().NewRegion(need); err != nil {
			return "", message.Words, err
		}
		defer func() { _ = region.Delete() }() // it may be gone with the budget
		if err := message.Attach(region.Capability); err != nil {
			return "", message.Words, err
		}
	}
	message.Words = [MessageWords]uint64{3: word3}
	if len(body) <= MessageBytesMax {
		_ = message.SetText(body) // it fits
	} else {
		message.Words[1] = uint64(len(body))
		for at := 0; at < len(body); at += PayloadBytesMax {
			if err := region.Write(uint64(at), []byte(body[at:min(len(body), at+PayloadBytesMax)])); err != nil {
				return "", message.Words, err
			}
		}
	}
	if s := call(m.Capability, message); s != StatusOK {
		return "", message.Words, s
	}
	there := message.Words[1]
	if there <= MessageBytesMax {
		return message.Text(), message.Words, nil
	}
	if there > need {
		return "", message.Words, StatusRange
	}
	text := make([]byte, there)
	for at := uint64(0); at < there; at += PayloadBytesMax {
		if err := region.Read(at, text[at:min(there, at+PayloadBytesMax)]); err != nil {
			return "", message.Words, err
		}
	}
	return string(text), message.Words, nil
}

// answerOf reads the words of an answer.
func answerOf(m *Message) Answer {
	return Answer{
		Reason: Reason(m.Words[2]), LeftOut: uint32(m.Words[2] >> 32), Read: uint32(m.Words[3]), Written: uint32(m.Words[3] >> 32),
	}
}

// little32 reads a number as the node writes it.
func little32(b string) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
