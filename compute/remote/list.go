package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"phios/compute"
)

var _ compute.Lister = (*unit)(nil)

// Models asks the server which models it has, in the order of their names. With
// the setting model it is that one, and nobody is asked. Names that could not be
// shown or said are left out: they are a stranger's bytes.
func (u *unit) Models(ctx context.Context) ([]string, error) {
	if u.model != "" {
		return []string{u.model}, nil
	}
	m := &model{unit: u, closing: u.closing}
	if u.closing.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := m.bound(ctx)
	defer cancel()
	answer, err := m.ask(ctx, http.MethodGet, "models", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // It was only read.
	if err := kind(answer, "application/json"); err != nil {
		return nil, err
	}
	whole, err := bounded(answer.Body)
	if err != nil {
		return nil, m.explain(ctx, err)
	}
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(whole, &list); err != nil {
		return nil, fmt.Errorf("%w: the list of models is not one", errAnswer)
	}
	var names []string
	for i := range list.Data[:min(len(list.Data), ListMax)] {
		if id := list.Data[i].ID; sayable(id) {
			names = append(names, id)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// sayable reports whether a name can be shown in a terminal and said in a
// command.
func sayable(name string) bool {
	return name != "" && len(name) <= modelBytesMax && !strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' })
}
