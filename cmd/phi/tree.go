package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"phios/abi"
	"phios/api/control"
)

// live shows the capabilities of the node that runs.
func (o *capsOptions) live(c *cobra.Command, arguments []string, node *control.Client) error {
	all, err := node.Caps(c.Context())
	if err != nil {
		return err
	}
	keep := func(h control.Held) bool { return o.object == "" || h.Of == o.object }
	if len(arguments) > 0 {
		if _, err := node.Inspect(c.Context(), arguments[0]); err != nil {
			return err
		}
		theirs := map[uint64]bool{}
		for _, h := range all {
			theirs[h.Object] = theirs[h.Object] || h.Owner == arguments[0]
		}
		keep = func(h control.Held) bool { return theirs[h.Object] && (o.object == "" || h.Of == o.object) }
	}
	kept := []control.Held{}
	for _, h := range all {
		if keep(h) {
			kept = append(kept, h)
		}
	}
	if o.object != "" && len(kept) == 0 {
		return fmt.Errorf("no object %q: 'phi caps' without --object lists all", o.object)
	}
	return o.show(c, kept, func(w io.Writer) { printTree(w, painter{colored(w)}, kept) })
}

// printTree prints for each object who made it and, below, who has it from
// whom.
func printTree(w io.Writer, p painter, all []control.Held) {
	var objects []uint64
	of := map[uint64][]control.Held{}
	for _, h := range all {
		if of[h.Object] == nil {
			objects = append(objects, h.Object)
		}
		of[h.Object] = append(of[h.Object], h)
	}
	slices.Sort(objects)
	for i, object := range objects {
		if i > 0 {
			say(w, "\n")
		}
		held := of[object]
		say(w, "%s\n", p.in("bold", strings.TrimSpace(fmt.Sprintf("%s %s", held[0].Type, objectText(held[0])))))
		t := tree{held: held, used: make([]bool, len(held)), w: w, painter: p}
		for i, h := range held {
			if !t.used[i] && (h.From == "" || !t.has(h.From, h.Owner)) {
				t.print(i, "")
			}
		}
		for i := range held { // what only derives from each other
			if !t.used[i] {
				t.print(i, "")
			}
		}
	}
}

// objectText names an object, by its number when nobody named it.
func objectText(h control.Held) string {
	if h.Of != "" {
		return printable(h.Of)
	}
	return fmt.Sprintf("#%d", h.Object)
}

// tree are the holders of one object.
type tree struct {
	held    []control.Held
	used    []bool
	w       io.Writer
	painter painter
}

// has reports whether somebody called owner, but for himself, holds the object.
func (t *tree) has(owner, but string) bool {
	return owner != but && slices.ContainsFunc(t.held, func(h control.Held) bool { return h.Owner == owner })
}

// print prints a holder and below it those who have theirs from him.
func (t *tree) print(at int, indent string) {
	t.used[at] = true
	h := t.held[at]
	text := fmt.Sprintf("%s%-*s  %s", indent, max(1, 28-len(indent)), printable(h.Owner), rightsText(h.Rights))
	switch {
	case len(h.Pass) == 0:
	case slices.Equal(h.Pass, h.Rights):
		text += t.painter.in("dim", ", and may pass it on")
	default:
		text += t.painter.in("dim", ", and may pass on "+rightsText(h.Pass))
	}
	if h.Badge != 0 {
		text += fmt.Sprintf("  badge %d", h.Badge)
	}
	say(t.w, "  %s\n", text)
	for i, other := range t.held {
		if !t.used[i] && other.From == h.Owner && other.Owner != h.Owner {
			t.print(i, indent+"  ")
		}
	}
}

// rightsText names rights: all that the maker of an object has are "everything".
func rightsText(r control.Rights) string {
	const maker = abi.RightsAll &^ (abi.RightEndorse | abi.RightDeclassify)
	if set, err := r.Set(); err == nil && set.Has(maker) {
		return "everything"
	}
	return r.String()
}
