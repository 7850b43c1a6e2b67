package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// embedTextsMax is how many texts are embedded at once.
const embedTextsMax = 2048

func newEmbed() *cobra.Command {
	var o nodeOptions
	var r control.EmbedRequest
	similar := ""
	c := o.asks(&cobra.Command{
		Use:   "embed TEXT...|-",
		Short: "Turn texts into vectors, or compare what they mean",
		Long: `Turns each text into a vector of unit length and prints it as a line; - reads a text
a line from standard input. The resident encoder does it, for English, unless
another model is named. With --similar the texts are sorted by how alike their
meaning is to that text, from -1 to 1.`,
		Example: "  phi embed --json 'a dog barks'\n  phi embed --similar 'a dog barks' 'a hound howls' 'stocks fell'\n  cat notes.txt | phi embed --similar 'the meeting on Monday' -",
		Args:    cobra.MinimumNArgs(1),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		var err error
		if r.Texts, err = textsOf(c, arguments); err != nil {
			return err
		}
		if similar != "" {
			r.Texts = append(r.Texts, similar)
		}
		out, err := node.Embed(c.Context(), r)
		if err != nil {
			return err
		}
		for i, cut := range out.Cut {
			if cut {
				say(c.ErrOrStderr(), "text %d is longer than the model reads: its end was left out\n", i+1)
			}
		}
		if similar != "" {
			return o.showSimilar(c, r.Texts[:len(r.Texts)-1], out.Vectors)
		}
		return o.show(c, out, func(w io.Writer) {
			for _, v := range out.Vectors {
				say(w, "%s\n", strings.Trim(fmt.Sprint(v), "[]"))
			}
		})
	})
	c.Flags().StringVarP(&r.Model, "model", "m", "", "the model (default the resident encoder)")
	c.Flags().StringVar(&similar, "similar", "", "compare the texts with this one")
	_ = c.RegisterFlagCompletionFunc("model", o.completesFlag(modelNames))
	return c
}

// textsOf are the texts of the command line, or of standard input for "-".
func textsOf(c *cobra.Command, arguments []string) ([]string, error) {
	if len(arguments) != 1 || arguments[0] != "-" {
		return arguments, nil
	}
	var texts []string
	lines := bufio.NewScanner(c.InOrStdin())
	lines.Buffer(nil, promptBytesMax)
	for lines.Scan() && len(texts) <= embedTextsMax {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			texts = append(texts, text)
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(texts) == 0:
		return nil, errors.New("there is no text: write one a line")
	case len(texts) > embedTextsMax:
		return nil, fmt.Errorf("there are more than %d texts: give them in parts", embedTextsMax)
	}
	return texts, nil
}

// likeness is how alike a text is to the one that it was compared with.
type likeness struct {
	Text       string  `json:"text"`
	Similarity float64 `json:"similarity"`
}

// showSimilar sorts texts by how alike they are to the last of the vectors.
func (o *nodeOptions) showSimilar(c *cobra.Command, texts []string, vectors [][]float32) error {
	list := make([]likeness, len(texts))
	last := vectors[len(vectors)-1]
	for i, text := range texts {
		list[i].Text = text
		for j, x := range vectors[i] {
			list[i].Similarity += float64(x) * float64(last[j])
		}
	}
	slices.SortStableFunc(list, func(a, b likeness) int {
		switch {
		case a.Similarity > b.Similarity:
			return -1
		case a.Similarity < b.Similarity:
			return 1
		}
		return 0
	})
	return o.show(c, list, func(w io.Writer) {
		for _, one := range list {
			say(w, "%6.3f  %s\n", one.Similarity, printable(one.Text))
		}
	})
}
