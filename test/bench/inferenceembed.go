package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"phios/compute/encoder"
	"phios/internal/rank"
)

// The targets of the resident encoder.
const (
	embedTexts      = 1000
	embedTarget     = 3.0
	spearmanF32     = 0.7839 // of the float32 original on STS-B dev: 'make encoder'
	spearmanLoseMax = 0.01
)

// embedRows measures the resident encoder: how fast, and how well it agrees
// with people.
func embedRows(i *inferenceRun) ([]Row, error) {
	pairs, err := readPairs(filepath.Join(i.Data, "stsb", "stsb-en-dev.csv"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	texts := make([]string, 0, embedTexts)
	for k := range embedTexts {
		text := fmt.Sprintf("Sentence %d says that the harbour was calm on day %d.", k, k*k)
		if 2*k+1 < 2*len(pairs) {
			text = pairs[k].texts[0]
		}
		texts = append(texts, text)
	}
	rows, err := i.embedSpeed(texts)
	if err != nil || len(pairs) == 0 {
		return rows, err
	}
	agreement, err := i.agreement(pairs)
	return append(rows, agreement), err
}

// embedSpeed measures the texts together on two threads against one by one on
// one thread.
func (i *inferenceRun) embedSpeed(texts []string) ([]Row, error) {
	one, err := encoder.Open(1)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	two, err := encoder.Open(2)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all
	}
	rows := vectors(len(texts), two.Describe().Width)
	took, err := i.turns(i.rounds,
		func() error { return two.Embed(i.ctx, texts, rows, nil) },
		func() error {
			for k := range texts {
				if err := one.Embed(i.ctx, texts[k:k+1], rows[k:k+1], nil); err != nil {
					return err //nolint:wrapcheck // it says all
				}
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	rate := Row{
		Name:  fmt.Sprintf("embed: %d sentences together, 2 threads", len(texts)),
		Value: tidy(float64(len(texts)) / took[0].median() * 1e9), Unit: "texts/s", Better: Higher, OK: true,
	}
	return []Row{rate, atLeast("embed: together on 2 threads, against one by one on 1", "one by one", took[1].over(took[0]), embedTarget)}, nil
}

func vectors(n, width int) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, width)
	}
	return rows
}

// pair is two sentences, and how alike people find them.
type pair struct {
	texts [2]string
	score float64
}

// readPairs reads a file of STS-B.
func readPairs(path string) ([]pair, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the user says which folder
	if err != nil {
		return nil, err
	}
	lines, err := csv.NewReader(file).ReadAll()
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	pairs := make([]pair, 0, len(lines))
	for _, line := range lines {
		score, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		pairs = append(pairs, pair{[2]string{line[0], line[1]}, score})
	}
	return pairs, nil
}

// agreement measures the rank correlation with what people judge.
func (i *inferenceRun) agreement(pairs []pair) (Row, error) {
	e, err := encoder.Open(2)
	if err != nil {
		return Row{}, err //nolint:wrapcheck // it says all
	}
	texts := make([]string, 0, 2*len(pairs))
	judged, found := make([]float64, len(pairs)), make([]float64, len(pairs))
	for k, p := range pairs {
		texts = append(texts, p.texts[0], p.texts[1])
		judged[k] = p.score
	}
	rows := vectors(len(texts), e.Describe().Width)
	if err := e.Embed(i.ctx, texts, rows, nil); err != nil {
		return Row{}, err //nolint:wrapcheck // it says all
	}
	for k := range found {
		for d, x := range rows[2*k] {
			found[k] += float64(x) * float64(rows[2*k+1][d])
		}
	}
	s := rank.Spearman(judged, found)
	least := spearmanF32 - spearmanLoseMax
	r := Row{
		Name: fmt.Sprintf("embed: Spearman on STS-B dev, %d pairs", len(pairs)), Value: tidy(s), Unit: "ρ", Better: Higher,
		Target: &least, OK: math.Abs(s-spearmanF32) <= spearmanLoseMax,
	}
	return r.against("the model in float32", spearmanF32, s/spearmanF32), nil
}
