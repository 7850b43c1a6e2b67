package gateway

import (
	"net/http"
	"strings"
	"time"

	"phios/api/inference"
)

// model is a model in a list, with what both interfaces want of it, and how
// long its context is.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Context int    `json:"context_length,omitempty"`
}

type anthropicModel struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"display_name"`
	Created string `json:"created_at"`
}

// models answers GET /v1/models and /v1/models/ID. The two interfaces share the
// address; Anthropic's clients send their version.
func (x *exchange) models(id string) error {
	all, err := x.g.c.Service.Models(x.r.Context(), x.who)
	if err != nil {
		return err
	}
	other := x.r.Header.Get("Anthropic-Version") != ""
	if id != "" {
		m := find(all, id)
		if m == nil {
			return &refusal{status: http.StatusNotFound, code: "model_not_found", param: "model", message: "there is no such model, or the key does not hold for it", remedy: "ask /v1/models for those that there are", final: true}
		}
		if other {
			return x.write(200, asAnthropic(m))
		}
		return x.write(200, asOpenAI(m))
	}
	if other {
		out := struct {
			Data  []anthropicModel `json:"data"`
			More  bool             `json:"has_more"`
			First *string          `json:"first_id"`
			Last  *string          `json:"last_id"`
		}{Data: []anthropicModel{}}
		for i := range all {
			out.Data = append(out.Data, asAnthropic(&all[i]))
		}
		if len(all) > 0 {
			out.First, out.Last = &out.Data[0].ID, &out.Data[len(all)-1].ID
		}
		return x.write(200, out)
	}
	out := struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", []model{}}
	for i := range all {
		out.Data = append(out.Data, asOpenAI(&all[i]))
	}
	return x.write(200, out)
}

// find finds a model by its name, or by a unique beginning of its digest.
func find(all []inference.Model, id string) *inference.Model {
	var found *inference.Model
	matches := 0
	for i := range all {
		m := &all[i]
		if m.Name == id {
			return m
		}
		if strings.HasPrefix(m.Digest, id) {
			found = m
			matches++
		}
	}
	if matches != 1 {
		return nil
	}
	return found
}

func asOpenAI(m *inference.Model) model {
	return model{ID: m.Name, Object: "model", Created: max(m.Added.Unix(), 0), OwnedBy: "phi", Context: m.Context}
}

func asAnthropic(m *inference.Model) anthropicModel {
	added := m.Added
	if added.IsZero() {
		added = time.Unix(0, 0)
	}
	return anthropicModel{"model", m.Name, m.Name, added.UTC().Format(time.RFC3339)}
}
