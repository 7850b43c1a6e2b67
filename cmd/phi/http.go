package main

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"phios/api/control"
)

// httpOptions say where the gateway listens.
type httpOptions struct {
	address, certificate, key string
	public                    bool
}

func (h *httpOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&h.public, "http-public", false, "allow an address that others than this machine can reach")
	c.Flags().StringVar(&h.certificate, "tls-cert", "", "serve TLS with this certificate, a PEM file")
	c.Flags().StringVar(&h.key, "tls-key", "", "the certificate's key, a PEM file")
	c.MarkFlagsRequiredTogether("tls-cert", "tls-key")
}

// request is for a node, which may be in another working folder.
func (h *httpOptions) request() (control.HTTPRequest, error) {
	r := control.HTTPRequest{Address: h.address, Public: h.public}
	for _, f := range []struct{ from, to *string }{{&h.certificate, &r.Certificate}, {&h.key, &r.Key}} {
		if *f.from == "" {
			continue
		}
		whole, err := filepath.Abs(*f.from)
		if err != nil {
			return r, err
		}
		*f.to = whole
	}
	return r, nil
}

func newHTTP() *cobra.Command {
	var o nodeOptions
	var h httpOptions
	off := false
	c := o.asks(&cobra.Command{
		Use:   "http [ADDRESS]",
		Short: "Open or close the node's HTTP gateway",
		Long: `Lets programs ask the node's models over HTTP, as they ask OpenAI or Anthropic: at
ADDRESS/v1, with a key of 'phi key new'. Without ADDRESS it says where the gateway
listens. It does so until the node ends; 'phi up --http ADDRESS' opens it from the
beginning.`,
		Example: "  phi http 127.0.0.1:8080\n  phi http --off",
		Args:    cobra.MaximumNArgs(1),
	}, func(c *cobra.Command, arguments []string, node *control.Client) error {
		if len(arguments) == 0 && !off {
			s, err := node.Inference(c.Context())
			if err != nil {
				return err
			}
			return o.showHTTP(c, control.HTTPDoor{URL: s.HTTP})
		}
		if off && len(arguments) > 0 {
			return errors.New("an address to close is not named: write 'phi http --off'")
		}
		if !off {
			h.address = arguments[0]
		}
		r, err := h.request()
		if err != nil {
			return err
		}
		door, err := node.HTTP(c.Context(), r)
		if err != nil {
			return err
		}
		return o.showHTTP(c, door)
	})
	h.flags(c)
	c.Flags().BoolVar(&off, "off", false, "close it")
	return c
}

func (o *nodeOptions) showHTTP(c *cobra.Command, door control.HTTPDoor) error {
	return o.show(c, door, func(w io.Writer) {
		if door.URL == "" {
			say(w, "the gateway is closed: open it with 'phi http 127.0.0.1:8080'\n")
			return
		}
		say(w, "the gateway is open at %s/v1, with a key of 'phi key new'\n", door.URL)
	})
}
