package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"phios/abi"
	"phios/api/control"
)

func newCall() *cobra.Command {
	var o nodeOptions
	var r control.CallRequest
	var words []uint
	within := 10 * time.Second
	c := o.asks(&cobra.Command{
		Use:               "call CAPSULE [TEXT]",
		Short:             "Send a capsule a message and print its answer",
		Example:           "  phi call greeter Ada\n  phi call counter --words 1,5\n  phi call logger --send 'no answer wanted'",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: o.completes(capsuleNames),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		r.Capsule, r.Within = arguments[0], within
		if len(arguments) > 1 {
			r.Text = arguments[1]
		}
		if len(r.Text) > control.CallBytesMax {
			return fmt.Errorf("%d bytes, and a message has at most %d: put more into a region or a folder", len(r.Text), control.CallBytesMax)
		}
		if len(words) > abi.MessageWords {
			return fmt.Errorf("%d words, and a message has at most %d: send the rest in another", len(words), abi.MessageWords)
		}
		for i, word := range words {
			r.Words[i] = uint64(word)
		}
		answer, err := node.Call(c.Context(), r)
		if errors.Is(err, abi.StatusDenied) {
			return fmt.Errorf("%s was refused something that it needs for this: 'phi denials %s' says what, 'phi propose %s' what would help", r.Capsule, r.Capsule, r.Capsule)
		}
		if err != nil {
			return err
		}
		return o.show(c, answer, func(w io.Writer) {
			if answer.Text != "" || answer.Words == [abi.MessageWords]uint64{} {
				say(w, "%s\n", lines(answer.Text))
			}
			if answer.Words != [abi.MessageWords]uint64{} {
				say(w, "words %v\n", answer.Words)
			}
		})
	})
	c.Flags().UintSliceVar(&words, "words", nil, "words of the message, at most 4, with commas between")
	c.Flags().DurationVar(&within, "within", within, "how long to wait for the answer")
	c.Flags().BoolVar(&r.Send, "send", false, "leave the message in the mailbox and do not wait for an answer")
	return c
}
