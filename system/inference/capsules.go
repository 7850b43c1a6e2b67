package inference

import (
	"os"

	api "phios/api/inference"
	"phios/system/models"
)

// ForCapsules says where the models come from that the node's capsules are
// granted. Nothing is opened before a capsule asks.
func (n *Inference) ForCapsules() *models.Config {
	return &models.Config{Service: n, Now: n.c.Now, Select: n.choose, Open: n.file}
}

// choose says where a model would run.
func (n *Inference) choose(who api.Account, model string, c api.Constraints) (models.Device, error) {
	e, done, err := n.use()
	if err != nil {
		return models.Device{}, err
	}
	defer done()
	choice, err := e.service.Select(who, model, c)
	if err != nil {
		return models.Device{}, err
	}
	return models.Device{Unit: choice.Unit.Name, Loaded: choice.Loaded, First: choice.First}, nil
}

// file opens the file of a model.
func (n *Inference) file(model string) (f *os.File, release func(), err error) {
	r, m, err := n.find(model)
	if err != nil {
		return nil, nil, err
	}
	w, release, err := r.Open(m)
	if err != nil {
		return nil, nil, err
	}
	return w.File, release, nil
}
