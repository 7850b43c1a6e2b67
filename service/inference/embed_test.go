package inference_test

import (
	"context"
	"errors"
	"testing"

	api "phios/api/inference"
	"phios/compute"
	"phios/service/inference"
)

// lengths is an encoder whose vectors tell the length of the text.
type lengths struct{}

func (lengths) Describe() compute.ModelDescription {
	return compute.ModelDescription{Architecture: "lengths", Width: 2, ContextTokens: 10}
}
func (lengths) Pin(bool) error     { return nil }
func (lengths) Close() error       { return nil }
func (lengths) Count(t string) int { return len(t) }
func (lengths) Embed(_ context.Context, texts []string, rows [][]float32, cut []bool) error {
	for i, t := range texts {
		rows[i][0], rows[i][1], cut[i] = float32(len(t)), 1, len(t) > 10
	}
	return nil
}

func TestEmbed(t *testing.T) {
	s := begin(t, models(t, "one"), inference.Options{Embedders: []inference.Embedder{{Name: "resident", Model: lengths{}}}})
	who := rich()
	got, err := s.Embed(t.Context(), who, &api.EmbedRequest{Texts: []string{"one", "", "twenty characters ..."}})
	if err != nil || got.Model != "resident" || len(got.Vectors) != 3 || got.Vectors[2][0] != 21 || !got.Cut[2] || got.Cut[0] ||
		got.Usage.PromptTokens != 24 || who.spent.Tokens != 24 {
		t.Errorf("%+v %v", got, err)
	}
	many := make([]string, api.EmbedTextsMax+1)
	for _, c := range []struct {
		who  *purse
		ask  api.EmbedRequest
		code string
	}{
		{rich(), api.EmbedRequest{}, api.CodeRequest},
		{rich(), api.EmbedRequest{Texts: many}, api.CodeRequest},
		{rich(), api.EmbedRequest{Model: "two", Texts: many[:1]}, api.CodeNoModel},
		{rich(), api.EmbedRequest{Model: "one", Texts: many[:1]}, api.CodeUnsupported},
		{&purse{name: "poor"}, api.EmbedRequest{Texts: []string{"x"}}, api.CodeBudget},
		{&purse{name: "other", only: "one"}, api.EmbedRequest{Texts: []string{"x"}}, api.CodeDenied},
	} {
		_, err := s.Embed(t.Context(), c.who, &c.ask)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %v", c.code, err)
		}
	}
	list, err := s.Models(t.Context(), rich())
	if err != nil || len(list) != 2 || !list[1].Embeds || !list[1].Resident {
		t.Errorf("%+v %v", list, err)
	}
}
