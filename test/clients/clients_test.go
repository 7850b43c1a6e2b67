// Package clients_test runs unmodified client libraries against the gateway:
// those of OpenAI and Anthropic for Go here, and those for JavaScript by 'make
// clients'. The libraries are large, and so live in a module of their own.
package clients_test

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// citySchema is what an answer or the arguments of a tool must be.
func citySchema() map[string]any {
	return map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"city": map[string]any{"type": "string", "enum": []string{"Bern", "Rom"}}},
		"required":             []string{"city"},
		"additionalProperties": false,
	}
}

// inCity checks JSON against citySchema.
func inCity(t *testing.T, text string) {
	t.Helper()
	var x struct{ City string }
	if err := json.Unmarshal([]byte(text), &x); err != nil || x.City != "Bern" && x.City != "Rom" {
		t.Errorf("%q is not a city: %v", text, err)
	}
}

func chatParams() openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:               "tiny",
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("Hi")},
		MaxCompletionTokens: openai.Int(24),
		Seed:                openai.Int(7),
	}
}

func client(tb testing.TB) openai.Client {
	tb.Helper()
	return openai.NewClient(option.WithBaseURL(begin(tb)+"/v1/"), option.WithAPIKey(key))
}

func TestOpenAIChat(t *testing.T) {
	c := client(t)
	p := chatParams()
	whole, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Choices[0].Message.Content == "" || whole.Usage.CompletionTokens == 0 || whole.Usage.TotalTokens != whole.Usage.PromptTokens+whole.Usage.CompletionTokens {
		t.Errorf("%+v", whole)
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	s := c.Chat.Completions.NewStreaming(t.Context(), p)
	var all openai.ChatCompletionAccumulator
	for s.Next() {
		if !all.AddChunk(s.Current()) {
			t.Errorf("the library cannot add %s", s.Current().RawJSON())
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if all.Choices[0].Message.Content != whole.Choices[0].Message.Content || all.Usage.CompletionTokens != whole.Usage.CompletionTokens {
		t.Errorf("streamed %q, whole %q", all.Choices[0].Message.Content, whole.Choices[0].Message.Content)
	}
	p = chatParams()
	p.N, p.Logprobs, p.TopLogprobs = openai.Int(3), openai.Bool(true), openai.Int(2)
	if whole, err = c.Chat.Completions.New(t.Context(), p); err != nil || len(whole.Choices) != 3 || len(whole.Choices[2].Logprobs.Content[0].TopLogprobs) != 2 {
		t.Errorf("%+v %v", whole, err)
	}
}

func TestOpenAITools(t *testing.T) {
	c := client(t)
	p := chatParams()
	p.MaxCompletionTokens = openai.Int(400)
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "weather", Description: openai.String("The weather in a city."), Parameters: citySchema(), Strict: openai.Bool(true),
	})}
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	a, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	m := a.Choices[0].Message
	if len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Name != "weather" || a.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("%+v", a.Choices[0])
	}
	inCity(t, m.ToolCalls[0].Function.Arguments)
	s := c.Chat.Completions.NewStreaming(t.Context(), p)
	var all openai.ChatCompletionAccumulator
	for s.Next() {
		all.AddChunk(s.Current())
	}
	if s.Err() != nil || len(all.Choices[0].Message.ToolCalls) != 1 || all.Choices[0].Message.ToolCalls[0].Function.Arguments != m.ToolCalls[0].Function.Arguments {
		t.Errorf("streamed %+v %v", all.Choices, s.Err())
	}
	// What the tool says goes back, and the model may speak.
	p.Messages = append(p.Messages, m.ToParam(), openai.ToolMessage("sunny", m.ToolCalls[0].ID))
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}
	p.MaxCompletionTokens = openai.Int(8)
	if a, err = c.Chat.Completions.New(t.Context(), p); err != nil || len(a.Choices[0].Message.ToolCalls) != 0 {
		t.Errorf("%+v %v", a, err)
	}
}

func TestOpenAISchema(t *testing.T) {
	c := client(t)
	p := chatParams()
	p.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Schema: citySchema(), Strict: openai.Bool(true)},
	}}
	a, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	inCity(t, a.Choices[0].Message.Content)
}

func TestOpenAICompletions(t *testing.T) {
	c := client(t)
	p := openai.CompletionNewParams{
		Model: "tiny", Prompt: openai.CompletionNewParamsPromptUnion{OfArrayOfStrings: []string{"Once", "Twice"}},
		MaxTokens: openai.Int(8), Logprobs: openai.Int(2), Temperature: openai.Float(0),
	}
	a, err := c.Completions.New(t.Context(), p)
	if err != nil || len(a.Choices) != 2 || len(a.Choices[1].Logprobs.Tokens) == 0 {
		t.Fatalf("%+v %v", a, err)
	}
	s := c.Completions.NewStreaming(t.Context(), p)
	texts := [2]string{}
	for s.Next() {
		for _, one := range s.Current().Choices {
			texts[one.Index] += one.Text
		}
	}
	if s.Err() != nil || texts[0] != a.Choices[0].Text || texts[1] != a.Choices[1].Text {
		t.Errorf("%q %v", texts, s.Err())
	}
}

func TestOpenAIEmbeddings(t *testing.T) {
	c := client(t)
	a, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "use-lite", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"A dog barks.", "A hound is barking."}},
	})
	if err != nil || len(a.Data) != 2 {
		t.Fatal(err)
	}
	cos := 0.0
	for i, x := range a.Data[0].Embedding {
		cos += x * a.Data[1].Embedding[i]
	}
	if cos < 0.5 || cos > 1.001 || math.IsNaN(cos) {
		t.Errorf("alike sentences have the cosine %v", cos)
	}
}

func TestOpenAIModels(t *testing.T) {
	c := client(t)
	var names []string
	pages := c.Models.ListAutoPaging(t.Context())
	for pages.Next() {
		names = append(names, pages.Current().ID)
	}
	if pages.Err() != nil || !slices.Contains(names, "tiny") || !slices.Contains(names, "use-lite") {
		t.Errorf("%q %v", names, pages.Err())
	}
	if m, err := c.Models.Get(t.Context(), "tiny"); err != nil || m.ID != "tiny" {
		t.Errorf("%+v %v", m, err)
	}
}

func TestOpenAIResponses(t *testing.T) {
	c := client(t)
	p := responses.ResponseNewParams{
		Model: "tiny", Instructions: openai.String("Be brief."), MaxOutputTokens: openai.Int(24), Store: openai.Bool(false),
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hi")},
		Text: responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigUnionParam{OfJSONSchema: &responses.ResponseFormatTextJSONSchemaConfigParam{
			Name: "city", Schema: citySchema(), Strict: openai.Bool(true),
		}}},
	}
	a, err := c.Responses.New(t.Context(), p)
	if err != nil || a.Status != "completed" {
		t.Fatalf("%+v %v", a, err)
	}
	inCity(t, a.OutputText())
	s := c.Responses.NewStreaming(t.Context(), p)
	var text strings.Builder
	var events []string
	for s.Next() {
		e := s.Current()
		if events = append(events, e.Type); e.Type == "response.output_text.delta" {
			text.WriteString(e.Delta)
		}
		if e.Type == "response.completed" && e.Response.OutputText() != text.String() {
			t.Errorf("completed with %q, streamed %q", e.Response.OutputText(), text.String())
		}
	}
	if s.Err() != nil || events[0] != "response.created" || events[len(events)-1] != "response.completed" {
		t.Errorf("%q %v", events, s.Err())
	}
	inCity(t, text.String())

	p.Text = responses.ResponseTextConfigParam{}
	p.MaxOutputTokens = openai.Int(400)
	p.Tools = []responses.ToolUnionParam{{OfFunction: &responses.FunctionToolParam{Name: "weather", Parameters: citySchema(), Strict: openai.Bool(true)}}}
	p.ToolChoice = responses.ResponseNewParamsToolChoiceUnion{OfFunctionTool: &responses.ToolChoiceFunctionParam{Name: "weather"}}
	if a, err = c.Responses.New(t.Context(), p); err != nil || len(a.Output) != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	call := a.Output[0].AsFunctionCall()
	inCity(t, call.Arguments)
	p.ToolChoice = responses.ResponseNewParamsToolChoiceUnion{}
	p.MaxOutputTokens = openai.Int(8)
	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("Weather?", responses.EasyInputMessageRoleUser),
		responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name),
		{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
			CallID: openai.String(call.CallID), Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String("sunny")},
		}},
	}}
	if _, err = c.Responses.New(t.Context(), p); err != nil {
		t.Error(err)
	}
}

func TestOpenAIErrors(t *testing.T) {
	url := begin(t)
	ask := func(key, model string) *openai.Error {
		c := openai.NewClient(option.WithBaseURL(url+"/v1/"), option.WithAPIKey(key))
		p := chatParams()
		p.Model = model
		_, err := c.Chat.Completions.New(t.Context(), p)
		var e *openai.Error
		if !errors.As(err, &e) {
			t.Fatalf("%v is not an error of the library", err)
		}
		return e
	}
	if e := ask("wrong", "tiny"); e.StatusCode != http.StatusUnauthorized || e.Code != "invalid_api_key" {
		t.Error(e)
	}
	if e := ask(key, "none"); e.StatusCode != http.StatusNotFound || e.Code != "model_not_found" || e.Param != "model" {
		t.Error(e)
	}
	// A budget that is spent is not asked for again: that would take seconds.
	if e := ask("poor", "tiny"); e.StatusCode != http.StatusTooManyRequests || e.Code != "insufficient_quota" {
		t.Error(e)
	}
	c := openai.NewClient(option.WithBaseURL(url+"/v1/"), option.WithAPIKey(key))
	p := chatParams()
	p.ReasoningEffort = shared.ReasoningEffortHigh
	var e *openai.Error
	if _, err := c.Chat.Completions.New(t.Context(), p); !errors.As(err, &e) || e.StatusCode != http.StatusBadRequest || e.Param != "reasoning_effort" {
		t.Error(err)
	}
}

func TestAnthropic(t *testing.T) {
	url := begin(t)
	c := anthropic.NewClient(anthropicoption.WithBaseURL(url), anthropicoption.WithAPIKey(key))
	p := anthropic.MessageNewParams{
		Model: "tiny", MaxTokens: 24, System: []anthropic.TextBlockParam{{Text: "Be brief."}}, Temperature: anthropic.Float(0),
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hi"))},
	}
	whole, err := c.Messages.New(t.Context(), p)
	if err != nil || len(whole.Content) == 0 || whole.Usage.OutputTokens == 0 {
		t.Fatalf("%+v %v", whole, err)
	}
	if got := accumulate(t, c, p); got.Content[0].Text != whole.Content[0].Text || got.Usage.OutputTokens != whole.Usage.OutputTokens || got.StopReason != whole.StopReason {
		t.Errorf("streamed %+v, whole %+v", got, whole)
	}
	p.MaxTokens = 400
	p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "weather", InputSchema: anthropic.ToolInputSchemaParam{
		Properties: citySchema()["properties"], Required: []string{"city"}, ExtraFields: map[string]any{"additionalProperties": false},
	}}}}
	p.ToolChoice = anthropic.ToolChoiceUnionParam{OfAny: &anthropic.ToolChoiceAnyParam{}}
	if whole, err = c.Messages.New(t.Context(), p); err != nil || len(whole.Content) != 1 || whole.StopReason != "tool_use" {
		t.Fatalf("%+v %v", whole, err)
	}
	call := whole.Content[0].AsToolUse()
	inCity(t, string(call.Input))
	inCity(t, string(accumulate(t, c, p).Content[0].AsToolUse().Input))
	p.Messages = append(p.Messages, whole.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(call.ID, "sunny", false)))
	p.ToolChoice = anthropic.ToolChoiceUnionParam{OfNone: &anthropic.ToolChoiceNoneParam{}}
	p.MaxTokens = 8
	if _, err = c.Messages.New(t.Context(), p); err != nil {
		t.Error(err)
	}
	list, err := c.Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil || len(list.Data) != 2 || list.Data[0].ID != "tiny" {
		t.Errorf("%+v %v", list, err)
	}
	p.Model = "none"
	var e *anthropic.Error
	if _, err = c.Messages.New(t.Context(), p); !errors.As(err, &e) || e.StatusCode != http.StatusNotFound || e.Type() != "not_found_error" {
		t.Error(err)
	}
}

// accumulate streams a message and puts it together.
func accumulate(t *testing.T, c anthropic.Client, p anthropic.MessageNewParams) anthropic.Message {
	t.Helper()
	s := c.Messages.NewStreaming(t.Context(), p)
	var all anthropic.Message
	for s.Next() {
		if err := all.Accumulate(s.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
