package control

import (
	"context"
	"io"
	"time"
)

// The operations of inference: models, units, keys, and asking.
const (
	OpModels        = "models"
	OpModel         = "models/show"
	OpModelAdd      = "models/add"
	OpModelPull     = "models/pull"
	OpModelRemove   = "models/remove"
	OpModelRename   = "models/rename"
	OpModelDefault  = "models/default"
	OpModelQuantize = "models/quantize"
	OpModelVerify   = "models/verify"
	OpModelPin      = "models/pin"
	OpModelUnload   = "models/unload"
	OpModelSelect   = "models/select"
	OpUnits         = "units"
	OpUnitAdd       = "units/add"
	OpUnitRemove    = "units/remove"
	OpKeys          = "keys"
	OpKeyNew        = "keys/new"
	OpKeyRevoke     = "keys/revoke"
	OpGenerate      = "generate"
	OpEmbed         = "embed"
	OpMetrics       = "metrics"
	OpHealth        = "health"
	OpSummary       = "inference"
	OpHTTP          = "http"
)

// The limits of units and keys.
const (
	UnitsMax      = 32
	KeysMax       = 4096
	KeyModelsMax  = 64
	SettingsMax   = 32
	SettingBytes  = 4096
	NameBytesMax  = 64
	MetadataShown = 4096 // entries of a model's metadata
)

// Model is a model of the node.
type Model struct {
	// Names are what it is called; the first is the one that is shown.
	Names        []string  `json:"names"`
	Digest       string    `json:"digest"`
	Architecture string    `json:"architecture"`
	Format       string    `json:"format"`
	Parameters   int64     `json:"parameters"`
	Bytes        int64     `json:"bytes"`
	Context      int       `json:"context"`
	Source       string    `json:"source,omitempty"`
	Added        time.Time `json:"added,omitzero"`
	// Default is the one that is meant by no name. Resident is part of the
	// program.
	Default  bool `json:"default,omitempty"`
	Resident bool `json:"resident,omitempty"`
	Embeds   bool `json:"embeds,omitempty"`
	// Loaded says that it is in memory now, on Unit.
	Loaded bool   `json:"loaded,omitempty"`
	Unit   string `json:"unit,omitempty"`
}

// Name is what it is called.
func (m *Model) Name() string {
	const digits = 12
	if len(m.Names) > 0 {
		return m.Names[0]
	}
	return m.Digest[:min(digits, len(m.Digest))]
}

// ModelDetail is a model with what its file says.
type ModelDetail struct {
	Model

	Metadata []Entry `json:"metadata"`
	Tensors  int     `json:"tensors"`
	// Formats counts the tensors of each format.
	Formats map[string]int `json:"formats"`
}

// Entry is one entry of a file's metadata, shortened for people.
type Entry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ModelNamed is a request about one model.
type ModelNamed struct {
	Model string `json:"model"`
}

// ModelAddRequest adds a model.
type ModelAddRequest struct {
	// Source is the whole path of a file, a URL, or hub:OWNER/NAME.
	Source string `json:"source"`
	// As is its name; empty makes one of the source.
	As string `json:"as,omitempty"`
	// SHA256 is what its bytes must have, in hexadecimal; empty is not known.
	SHA256 string `json:"sha256,omitempty"`
}

// ModelProgress is one line of an answer about long work on a model. The last
// one has Model or Error.
type ModelProgress struct {
	// Stage is what is being done: copy, fetch, check, quantize, write.
	Stage string `json:"stage"`
	// Done of Total; Total is zero when nobody knows.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Model *Model `json:"model,omitempty"`
	// Same says that nothing changed.
	Same  bool   `json:"same,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// ModelRemoved says what a removal took away: the file too when Digest is set.
type ModelRemoved struct {
	Digest string `json:"digest,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// ModelRenameRequest gives a model another name in the place of one.
type ModelRenameRequest struct {
	Model string `json:"model"`
	To    string `json:"to"`
}

// ModelQuantizeRequest makes a smaller model of one.
type ModelQuantizeRequest struct {
	Model string `json:"model"`
	// To is the format, such as Q4_K; As the new name, empty for the old one
	// with the format behind.
	To string `json:"to"`
	As string `json:"as,omitempty"`
}

// ModelPinRequest keeps a model in memory, or lets it go.
type ModelPinRequest struct {
	Model string `json:"model"`
	Off   bool   `json:"off,omitempty"`
}

// ModelSelectRequest asks where a model would run.
type ModelSelectRequest struct {
	Model string `json:"model,omitempty"`
	Device
}

// Device says where something may run.
type Device struct {
	// Kind is a kind of unit, Unit the name of one; empty is any.
	Kind string `json:"kind,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Local refuses units that send data away.
	Local bool `json:"local,omitempty"`
	// Latency is how soon the first token must come; zero does not matter.
	Latency time.Duration `json:"latencyNanoseconds,omitempty"`
}

// ModelChoice is where a model would run.
type ModelChoice struct {
	Unit   string `json:"unit"`
	Kind   string `json:"kind"`
	Device string `json:"device"`
	Loaded bool   `json:"loaded"`
	// First is the estimated time until the first token.
	First time.Duration `json:"firstNanoseconds"`
}

// Unit is what runs models.
type Unit struct {
	Name string `json:"name"`
	// Of is the kind of program that it is: cpu, llama, remote.
	Of string `json:"of"`
	// Kind and Device are the machine's: cpu, gpu, remote.
	Kind     string   `json:"kind"`
	Device   string   `json:"device"`
	Features []string `json:"features,omitempty"`
	// MemoryBytes is what models may take, ResidentBytes what they do.
	MemoryBytes   uint64 `json:"memoryBytes"`
	ResidentBytes uint64 `json:"residentBytes"`
	// BytesPerSecond and OperationsPerSecond are its measured speed.
	BytesPerSecond      float64 `json:"bytesPerSecond"`
	OperationsPerSecond float64 `json:"operationsPerSecond"`
	Running             int     `json:"running"`
	Joules              float64 `json:"joules"`
	JoulesMeasured      bool    `json:"joulesMeasured"`
	// Settings are those that were set. Of a secret one only that it is.
	Settings map[string]string `json:"settings,omitempty"`
	// Problem says why it cannot be used.
	Problem string `json:"problem,omitempty"`
}

// UnitAddRequest adds a unit.
type UnitAddRequest struct {
	// Of is the kind of unit, Name what to call it; empty is the kind.
	Of   string `json:"of"`
	Name string `json:"name,omitempty"`
	// Settings are the kind's own.
	Settings map[string]string `json:"settings,omitempty"`
}

// UnitNamed is a request about one unit.
type UnitNamed struct {
	Unit string `json:"unit"`
}

// KeyLimits are what may be spent by a key; zero has no limit of its own.
type KeyLimits struct {
	Tokens  uint64  `json:"tokens,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Joules  float64 `json:"joules,omitempty"`
}

// KeyNewRequest makes a key.
type KeyNewRequest struct {
	// Name is for people; empty makes one.
	Name string `json:"name,omitempty"`
	// Models are those that it opens; empty is all.
	Models []string `json:"models,omitempty"`
	KeyLimits
	// Expires is how long it holds; zero is until it is revoked.
	Expires time.Duration `json:"expiresNanoseconds,omitempty"`
	// Rights are what may be done with the models: RUN, which is usual.
	Rights Rights `json:"rights,omitempty"`
}

// Key is a key, without its secret.
type Key struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"`
	Models  []string  `json:"models,omitempty"`
	Rights  Rights    `json:"rights"`
	Limits  KeyLimits `json:"limits"`
	Spent   KeyLimits `json:"spent"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Used    time.Time `json:"used,omitzero"`
	// Running is how many requests run by it now.
	Running int `json:"running"`
}

// KeyMade is a new key. Its secret is in no other answer.
type KeyMade struct {
	Key

	Secret string `json:"secret"`
}

// KeyNamed is a request about one key, by its name or ID.
type KeyNamed struct {
	Key string `json:"key"`
}

// Turn is a message of a conversation.
type Turn struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// GenerateRequest asks a model for text.
type GenerateRequest struct {
	// Model is a name or a beginning of a digest; empty is the default.
	Model string `json:"model,omitempty"`
	// Messages are a conversation; or else Prompt is text as it is.
	Messages []Turn `json:"messages,omitempty"`
	Prompt   string `json:"prompt,omitempty"`
	// Constraint is json, json_schema, regex or gbnf, and ConstraintText what
	// the text must be by it.
	Constraint     string   `json:"constraint,omitempty"`
	ConstraintText string   `json:"constraintText,omitempty"`
	TokensMax      int      `json:"tokensMax,omitempty"`
	Stop           []string `json:"stop,omitempty"`
	Temperature    float64  `json:"temperature,omitempty"`
	TopK           int      `json:"topK,omitempty"`
	TopP           float64  `json:"topP,omitempty"`
	MinP           float64  `json:"minP,omitempty"`
	Repetition     float64  `json:"repetition,omitempty"`
	// Seed makes the choices repeatable; nil takes one.
	Seed          *uint64 `json:"seed,omitempty"`
	Deterministic bool    `json:"deterministic,omitempty"`
	Priority      int     `json:"priority,omitempty"`
	// Within is how long the answer may take; zero does not matter.
	Within time.Duration `json:"withinNanoseconds,omitempty"`
	Device
}

// GeneratePiece is one line of an answer to a GenerateRequest. The last one
// has Answer or Error, or both when something was generated before an error.
type GeneratePiece struct {
	Text   string    `json:"text,omitempty"`
	Answer *Generate `json:"answer,omitempty"`
	Error  *Error    `json:"error,omitempty"`
}

// Generate is what was generated.
type Generate struct {
	Model string `json:"model"`
	Unit  string `json:"unit"`
	Text  string `json:"text"`
	// Reason is why it ended: stop, length, budget, deadline, cancelled.
	Reason string `json:"reason"`
	Spent  Spent  `json:"spent"`
}

// Spent is what an answer took.
type Spent struct {
	PromptTokens     int     `json:"promptTokens"`
	CachedTokens     int     `json:"cachedTokens"`
	CompletionTokens int     `json:"completionTokens"`
	Joules           float64 `json:"joules"`
	// Queue is the time until it ran, First until the first token, Total until
	// the end.
	Queue time.Duration `json:"queueNanoseconds"`
	First time.Duration `json:"firstNanoseconds"`
	Total time.Duration `json:"totalNanoseconds"`
}

// EmbedRequest turns texts into vectors. An empty Model is the resident one.
type EmbedRequest struct {
	Model string   `json:"model,omitempty"`
	Texts []string `json:"texts"`
}

// Embedded are vectors of unit length, by the index of the text.
type Embedded struct {
	Model   string      `json:"model"`
	Vectors [][]float32 `json:"vectors"`
	// Cut says which texts were longer than the model reads.
	Cut   []bool `json:"cut"`
	Spent Spent  `json:"spent"`
}

// Metrics are the counters of inference since the node came up.
type Metrics struct {
	// Loads of models, those that failed, those that took another one out, and
	// the time they took.
	Loads      uint64        `json:"loads"`
	LoadFaults uint64        `json:"loadFaults"`
	Swaps      uint64        `json:"swaps"`
	LoadTime   time.Duration `json:"loadNanoseconds"`
	Loaded     int           `json:"loaded"`
	Bytes      uint64        `json:"bytes"`
	// Waiting are requests for models that are not loaded yet.
	Waiting int `json:"waiting"`
	// Parked are pages of beginnings on the disk.
	ParkedFiles int   `json:"parkedFiles"`
	ParkedBytes int64 `json:"parkedBytes"`
	// Models are the counters of each, by name.
	Models map[string]ModelMetrics `json:"models"`
}

// ModelMetrics are the counters of one model.
type ModelMetrics struct {
	Running   int               `json:"running"`
	Waiting   int               `json:"waiting"`
	FreePages int               `json:"freePages"`
	IdlePages int               `json:"idlePages"`
	Ended     map[string]uint64 `json:"ended"`
	// Tokens by what they were: prefill, decode, cached, recomputed.
	Tokens map[string]uint64 `json:"tokens"`
	Steps  uint64            `json:"steps"`
	// StepTime over Steps is the time of a step, Works over Steps the mean size
	// of a batch.
	StepTime time.Duration `json:"stepNanoseconds"`
	Works    uint64        `json:"works"`
	WorksMax int           `json:"worksMax"`
	Queue    Times         `json:"queue"`
	First    Times         `json:"first"`
	Joules   float64       `json:"joules"`
}

// Times sums up how long something took.
type Times struct {
	Count uint64        `json:"count"`
	Sum   time.Duration `json:"sumNanoseconds"`
	P50   time.Duration `json:"p50Nanoseconds"`
	P99   time.Duration `json:"p99Nanoseconds"`
}

// Health says whether all that is loaded makes tokens.
type Health struct {
	Models  int    `json:"models"`
	Problem string `json:"problem,omitempty"`
}

// Summary is what there is of inference, in short.
type Summary struct {
	Models  int      `json:"models"`
	Default string   `json:"default,omitempty"`
	Units   []string `json:"units"`
	Keys    int      `json:"keys"`
	Loaded  []Model  `json:"loaded,omitempty"`
	// Running and Waiting are requests.
	Running int `json:"running"`
	Waiting int `json:"waiting"`
	// HTTP is the address of the gateway; empty is none.
	HTTP    string `json:"http,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// HTTPRequest opens or closes the gateway.
type HTTPRequest struct {
	// Address is where it listens; empty closes it.
	Address string `json:"address,omitempty"`
	// Public allows an address that others than this machine can reach.
	Public bool `json:"public,omitempty"`
	// Certificate and Key are the whole paths of PEM files for TLS.
	Certificate string `json:"certificate,omitempty"`
	Key         string `json:"key,omitempty"`
}

// HTTPDoor is where the gateway listens.
type HTTPDoor struct {
	URL string `json:"url,omitempty"`
}

// Models lists the models, the default first, the resident ones last.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	return ask[[]Model](ctx, c, OpModels, Empty{})
}

// Model returns a model and what its file says.
func (c *Client) Model(ctx context.Context, model string) (ModelDetail, error) {
	return ask[ModelDetail](ctx, c, OpModel, ModelNamed{model})
}

// AddModel adds a model. Progress may be nil.
func (c *Client) AddModel(ctx context.Context, r ModelAddRequest, progress func(ModelProgress)) (ModelProgress, error) {
	return work(ctx, c, OpModelAdd, r, progress)
}

// PullModel brings a model to what its source has now.
func (c *Client) PullModel(ctx context.Context, model string, progress func(ModelProgress)) (ModelProgress, error) {
	return work(ctx, c, OpModelPull, ModelNamed{model}, progress)
}

// QuantizeModel makes a smaller model of one.
func (c *Client) QuantizeModel(ctx context.Context, r ModelQuantizeRequest, progress func(ModelProgress)) (ModelProgress, error) {
	return work(ctx, c, OpModelQuantize, r, progress)
}

// VerifyModel reads a model's file and compares it with its digest.
func (c *Client) VerifyModel(ctx context.Context, model string, progress func(ModelProgress)) (ModelProgress, error) {
	return work(ctx, c, OpModelVerify, ModelNamed{model}, progress)
}

// RemoveModel takes a name away, and with the last one the model.
func (c *Client) RemoveModel(ctx context.Context, model string) (ModelRemoved, error) {
	return ask[ModelRemoved](ctx, c, OpModelRemove, ModelNamed{model})
}

// RenameModel gives a model another name in the place of one.
func (c *Client) RenameModel(ctx context.Context, model, to string) (Model, error) {
	return ask[Model](ctx, c, OpModelRename, ModelRenameRequest{model, to})
}

// DefaultModel chooses the model that is meant by no name.
func (c *Client) DefaultModel(ctx context.Context, model string) (Model, error) {
	return ask[Model](ctx, c, OpModelDefault, ModelNamed{model})
}

// PinModel keeps a model in memory, loading it, or lets it go.
func (c *Client) PinModel(ctx context.Context, r ModelPinRequest) (Model, error) {
	return ask[Model](ctx, c, OpModelPin, r)
}

// UnloadModel takes a model out of memory.
func (c *Client) UnloadModel(ctx context.Context, model string) (Model, error) {
	return ask[Model](ctx, c, OpModelUnload, ModelNamed{model})
}

// SelectUnit says where a model would run.
func (c *Client) SelectUnit(ctx context.Context, r ModelSelectRequest) (ModelChoice, error) {
	return ask[ModelChoice](ctx, c, OpModelSelect, r)
}

// Units lists the units, the processors of this machine first.
func (c *Client) Units(ctx context.Context) ([]Unit, error) {
	return ask[[]Unit](ctx, c, OpUnits, Empty{})
}

// AddUnit adds a unit, and keeps it for the next start. Requests that run end.
func (c *Client) AddUnit(ctx context.Context, r UnitAddRequest) (Unit, error) {
	return ask[Unit](ctx, c, OpUnitAdd, r)
}

// RemoveUnit removes a unit. Requests that run end.
func (c *Client) RemoveUnit(ctx context.Context, unit string) error {
	_, err := ask[Empty](ctx, c, OpUnitRemove, UnitNamed{unit})
	return err
}

// Keys lists the keys.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return ask[[]Key](ctx, c, OpKeys, Empty{})
}

// NewKey makes a key. Its secret cannot be asked for again.
func (c *Client) NewKey(ctx context.Context, r KeyNewRequest) (KeyMade, error) {
	return ask[KeyMade](ctx, c, OpKeyNew, r)
}

// RevokeKey ends a key and the requests that run by it.
func (c *Client) RevokeKey(ctx context.Context, key string) (Key, error) {
	return ask[Key](ctx, c, OpKeyRevoke, KeyNamed{key})
}

// Generate asks a model for text and gives each piece to show as it comes. The
// answer is also returned with an error when something was generated. Once stop
// is closed the answer ends within a step, with what there is; stop may be nil.
func (c *Client) Generate(ctx context.Context, r GenerateRequest, stop <-chan struct{}, show func(text string) error) (*Generate, error) {
	head, err := line(r)
	if err != nil {
		return nil, err
	}
	body, feed := io.Pipe()
	over := make(chan struct{})
	defer close(over)
	go func() {
		_, err := feed.Write(head)
		if err == nil {
			select {
			case <-stop:
				_, err = feed.Write([]byte("{}\n"))
			case <-over:
			}
		}
		feed.CloseWithError(err)
	}()
	defer body.Close() //nolint:errcheck // a pipe's reader has nothing to fail at
	var answer *Generate
	err = stream(ctx, c, OpGenerate, body, func(p GeneratePiece) error {
		if p.Answer != nil {
			answer = p.Answer
		}
		if p.Error != nil {
			return p.Error
		}
		if p.Text != "" && show != nil {
			return show(p.Text)
		}
		return nil
	})
	if err == nil && answer == nil {
		err = cut("the answer ended early")
	}
	return answer, err
}

// Embed turns texts into vectors.
func (c *Client) Embed(ctx context.Context, r EmbedRequest) (Embedded, error) {
	return ask[Embedded](ctx, c, OpEmbed, r)
}

// Metrics returns the counters of inference.
func (c *Client) Metrics(ctx context.Context) (Metrics, error) {
	return ask[Metrics](ctx, c, OpMetrics, Empty{})
}

// Health generates a token on each loaded model and unloads those that cannot.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return ask[Health](ctx, c, OpHealth, Empty{})
}

// Inference says what there is of inference, in short.
func (c *Client) Inference(ctx context.Context) (Summary, error) {
	return ask[Summary](ctx, c, OpSummary, Empty{})
}

// HTTP opens or closes the gateway.
func (c *Client) HTTP(ctx context.Context, r HTTPRequest) (HTTPDoor, error) {
	return ask[HTTPDoor](ctx, c, OpHTTP, r)
}

// work asks for long work on a model and returns its last line.
func work(ctx context.Context, c *Client, op string, r any, progress func(ModelProgress)) (ModelProgress, error) {
	var last ModelProgress
	err := streamJSON(ctx, c, op, r, func(p ModelProgress) error {
		last = p
		if p.Error != nil {
			return p.Error
		}
		if progress != nil && p.Model == nil {
			progress(p)
		}
		return nil
	})
	if err == nil && last.Model == nil {
		err = cut("the work ended early")
	}
	return last, err
}

// cut says that the node went away in the middle.
func cut(what string) error {
	return &Error{Code: CodeMachine, Message: what + ", since the node went away", Remedy: "look at its log, and ask again"}
}
