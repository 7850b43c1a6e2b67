package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// socketVariable names the environment variable with the node's socket.
const socketVariable = "PHI_SOCKET"

// completionWaitMax is how long the shell waits for names from the node.
const completionWaitMax = time.Second

// nodeOptions say which node a verb asks, and how it prints what it hears.
type nodeOptions struct {
	data, socket string
	asJSON       bool
}

// asking is the body of a verb that asks the node.
type asking func(c *cobra.Command, arguments []string, node *control.Client) error

// asks turns a command into one that asks the node: it gets the flags for it,
// and its context ends when somebody presses Ctrl-C.
func (o *nodeOptions) asks(c *cobra.Command, body asking) *cobra.Command {
	o.flags(c)
	c.RunE = does(func(c *cobra.Command, arguments []string) error {
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		c.SetContext(ctx)
		node, err := o.client()
		if err != nil {
			return err
		}
		return body(c, arguments, node)
	})
	return c
}

func (o *nodeOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.data, "data", "", "the node's data folder (default $XDG_DATA_HOME/phi or ~/.local/share/phi)")
	c.Flags().StringVar(&o.socket, "socket", "", "the node's control socket (default $"+socketVariable+", or control.sock in the data folder)")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
}

// folder returns the node's data folder.
func (o *nodeOptions) folder() (string, error) {
	if o.data != "" {
		return filepath.Abs(o.data)
	}
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "phi"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: say with --data where the node keeps its data", err)
	}
	return filepath.Join(home, ".local", "share", "phi"), nil
}

// client returns a client of the node that was named: by --socket, by --data,
// by the environment, in that order, or else of the usual one.
func (o *nodeOptions) client() (*control.Client, error) {
	if o.socket != "" {
		return &control.Client{Socket: o.socket}, nil
	}
	if socket := os.Getenv(socketVariable); socket != "" && o.data == "" {
		return &control.Client{Socket: socket}, nil
	}
	folder, err := o.folder()
	if err != nil {
		return nil, err
	}
	return &control.Client{Socket: filepath.Join(folder, control.SocketName)}, nil
}

// show prints v as JSON when that was asked for, and otherwise lets text print.
func (o *nodeOptions) show(c *cobra.Command, v any, text func(w io.Writer)) error {
	if o.asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(v)
	}
	text(c.OutOrStdout())
	return nil
}

// leaving is nil for an error that only says that the asker left.
func leaving(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// names asks the node for names, to complete a word; without an answer there
// are none.
type names func(ctx context.Context, node *control.Client, before []string) []string

// completes lets the shell complete the arguments of a verb: the first with the
// first of the lists, and so on.
func (o *nodeOptions) completes(lists ...names) cobra.CompletionFunc {
	return func(c *cobra.Command, before []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(before) >= len(lists) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		node, err := o.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		parent := c.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, completionWaitMax)
		defer cancel()
		return lists[len(before)](ctx, node, before), cobra.ShellCompDirectiveNoFileComp
	}
}

// completesFlag lets the shell complete the value of a flag.
func (o *nodeOptions) completesFlag(list names) cobra.CompletionFunc {
	complete := o.completes(list)
	return func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return complete(c, nil, word)
	}
}

// capsuleNames lists the capsules.
func capsuleNames(ctx context.Context, node *control.Client, _ []string) []string {
	var list []string
	all, _ := node.List(ctx)
	for _, one := range all {
		list = append(list, one.Name+"\t"+one.State)
	}
	return list
}

// imageNames lists what is installed.
func imageNames(ctx context.Context, node *control.Client, _ []string) []string {
	var list []string
	all, _ := node.Images(ctx)
	for _, one := range all {
		list = append(list, one.Name+"\t"+printable(one.Purpose))
	}
	return list
}

// requestNames lists what the capsule named before asks for.
func requestNames(ctx context.Context, node *control.Client, before []string) []string {
	var list []string
	one, _ := node.Inspect(ctx, before[0])
	for _, q := range one.Requests {
		list = append(list, q.Name+"\t"+printable(q.Reason))
	}
	return list
}

// grantNames lists what the capsule named before was granted.
func grantNames(ctx context.Context, node *control.Client, before []string) []string {
	var list []string
	one, _ := node.Inspect(ctx, before[0])
	for _, g := range one.Grants {
		list = append(list, g.Name+"\t"+printable(g.Spec))
	}
	return list
}
