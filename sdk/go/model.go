package phi

// Model is a model, or a compute unit that runs models. A request and an
// answer of up to MessageBytesMax lie in the message; what is longer lies in a
// region that is attached, at the offset and length of words 0 and 1.
type Model struct{ Capability }

// Infer runs the model on the prompt in m and leaves in m what it says.
func (m Model) Infer(request *Message) error { return aiInfer(m.Capability, request).err() }

// InferText runs the model on a prompt of at most MessageBytesMax bytes and
// returns what it says.
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

// Embed turns the text in the request into vectors.
func (m Model) Embed(request *Message) error { return aiEmbed(m.Capability, request).err() }

// MapWeights asks for a region that shows the model's weights.
func (m Model) MapWeights() (Region, error) {
	var request Message
	if s := aiMapModel(m.Capability, &request); s != StatusOK {
		return Region{}, s
	}
	given := request.Capabilities()
	if len(given) == 0 {
		return Region{}, StatusEmpty
	}
	return given[0].Region(), nil
}

// SelectDevice asks which unit will run the model under the constraints in the
// request.
func (m Model) SelectDevice(request *Message) error {
	return aiSelectDevice(m.Capability, request).err()
}

// BatchStart opens a batch: requests until its end are run together.
func (m Model) BatchStart(request *Message) error { return aiBatchStart(m.Capability, request).err() }

// BatchEnd closes the batch and waits for its answers.
func (m Model) BatchEnd(request *Message) error { return aiBatchEnd(m.Capability, request).err() }
