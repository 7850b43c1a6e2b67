package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"phios/api/control"
	"phios/system/capsules"
	"phios/system/inference"
)

const (
	// nodeLogName is the file of the data folder in which a node that was
	// detached says what is wrong.
	nodeLogName = "node.log"
	// hubVariable names the environment variable with the address of a hub.
	hubVariable = "PHI_HUB"
	// upWaitMax is how long a detached node has until it answers.
	upWaitMax = 30 * time.Second
)

func newUp() *cobra.Command {
	var o upOptions
	detach := false
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a node",
		Long: `Starts a node that keeps what it has in its data folder: images, the journal, and
which capsules run, so that they run again after a stop, a crash or a power cut.
It listens at control.sock in that folder, which only you can open; the other
verbs ask there.

It stays in the foreground and stops at Ctrl-C or SIGTERM; --detach lets it go on
behind. 'phi down' stops either.

--http lets programs ask the node's models, with keys of 'phi key new'. --hub says
where 'phi model add hub:OWNER/NAME' finds models.`,
		Example: "  phi up\n  phi up --detach --http 127.0.0.1:8080",
		Args:    cobra.NoArgs,
		RunE: does(func(c *cobra.Command, _ []string) error {
			folder, err := o.folder()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return fmt.Errorf("%w: choose another folder with --data", err)
			}
			if err := vacant(c.Context(), folder); err != nil {
				return err
			}
			if detach {
				return o.startBehind(c, folder)
			}
			return o.stayUp(c, folder)
		}),
	}
	c.Flags().StringVar(&o.data, "data", "", "the folder for what the node keeps (default $XDG_DATA_HOME/phi or ~/.local/share/phi)")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	c.Flags().BoolVarP(&detach, "detach", "d", false, "return when the node is up, and let it go on")
	c.Flags().StringVar(&o.http.address, "http", "", "serve models over HTTP at this address, such as 127.0.0.1:8080")
	c.Flags().StringVar(&o.hub, "hub", os.Getenv(hubVariable), "the address of a hub of models (default $"+hubVariable+")")
	o.http.flags(c)
	return c
}

// vacant returns an error when a node runs in a folder already.
func vacant(ctx context.Context, folder string) error {
	node := &control.Client{Socket: filepath.Join(folder, control.SocketName)}
	if one, err := node.Info(ctx); err == nil {
		return fmt.Errorf("a node runs in %s already, as process %d: stop it with 'phi down', or choose another folder with --data", folder, one.PID)
	}
	return nil
}

// upOptions are what 'phi up' was told.
type upOptions struct {
	nodeOptions

	http httpOptions
	hub  string
}

// inference is that of the node.
func (o *upOptions) inference(folder string) (*inference.Inference, error) {
	config := inference.Config{DataDir: folder, Hub: o.hub}
	if o.http.address != "" {
		r, err := o.http.request()
		if err != nil {
			return nil, err
		}
		config.HTTP = &inference.Address{Address: r.Address, Public: r.Public, Certificate: r.Certificate, Key: r.Key}
	}
	return inference.Open(config)
}

// arguments are those by which a node behind is told the same.
func (o *upOptions) arguments(folder string) ([]string, error) {
	r, err := o.http.request()
	if err != nil {
		return nil, err
	}
	list := []string{"up", "--data", folder, "--hub", o.hub, "--http", r.Address}
	if r.Public {
		list = append(list, "--http-public")
	}
	if r.Certificate != "" {
		list = append(list, "--tls-cert", r.Certificate, "--tls-key", r.Key)
	}
	return list, nil
}

// stayUp runs a node until it is told to stop.
func (o *upOptions) stayUp(c *cobra.Command, folder string) error {
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	models, err := o.inference(folder)
	if err != nil {
		return err
	}
	node, err := capsules.Start(capsules.Config{DataDir: folder, Version: buildVersion(), Services: []capsules.Service{models}, Models: models.ForCapsules()})
	if err != nil {
		return err
	}
	client := &control.Client{Socket: filepath.Join(folder, control.SocketName)}
	one, err := client.Info(ctx)
	if err == nil {
		err = o.show(c, one, func(w io.Writer) { o.sayUp(w, folder, one) })
	}
	if err != nil {
		return errors.Join(err, node.Close())
	}
	select {
	case <-ctx.Done():
	case <-node.Stopped():
	}
	stop() // a second Ctrl-C ends the process at once
	if terminal(c.ErrOrStderr()) {
		say(c.ErrOrStderr(), "stopping; what runs goes on with the next 'phi up'\n")
	}
	return node.Close()
}

// sayUp says that a node is up and how to go on.
func (o *upOptions) sayUp(w io.Writer, folder string, one control.Info) {
	option := ""
	if o.data != "" {
		option = " --data " + quoted(folder)
	}
	say(w, "ΦOS is up in %s (process %d, tiers %s)\n", folder, one.PID, strings.Join(one.Tiers, " "))
	if len(one.Resumed) > 0 {
		say(w, "running again: %s\n", strings.Join(one.Resumed, " "))
	}
	if one.Recovery != "" {
		say(w, "recovered: %s\n", printable(one.Recovery))
	}
	for _, hint := range [][2]string{
		{"phi new --lang go greeter", "write a capsule"},
		{"phi run" + option + " DIR", "install and run one that is built"},
		{"phi ps" + option, "see what runs"},
		{"phi down" + option, "stop"},
	} {
		say(w, "  %-*s  %s\n", len("phi run DIR")+max(len(option), 14), hint[0], hint[1])
	}
}

// startBehind starts a node in a process of its own and waits until it answers.
func (o *upOptions) startBehind(c *cobra.Command, folder string) error {
	log := filepath.Join(folder, nodeLogName)
	to, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // G304: the user says which folder
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // the node has its own
	begin, err := to.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	arguments, err := o.arguments(folder)
	if err != nil {
		return err
	}
	node := exec.Command("/proc/self/exe", arguments...) //nolint:noctx,gosec // it outlives this process; G204: it is this program
	node.Args[0], node.Dir = "phi", "/"
	node.Stdout, node.Stderr = to, to
	node.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := node.Start(); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = node.Wait() // what it says is in its log
		close(ended)
	}()
	client := &control.Client{Socket: filepath.Join(folder, control.SocketName)}
	deadline := time.After(upWaitMax)
	for {
		if one, err := client.Info(c.Context()); err == nil && one.PID == node.Process.Pid {
			return o.show(c, one, func(w io.Writer) { o.sayUp(w, folder, one) })
		}
		select {
		case <-ended:
			return fmt.Errorf("the node did not start: %s", lastWords(log, begin))
		case <-deadline:
			return errors.Join(fmt.Errorf("the node does not answer after %v: look at %s", upWaitMax, log), node.Process.Kill())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastWords returns what a node wrote from a place of its log on.
func lastWords(log string, begin int64) string {
	const wordsMax = 4096
	text, err := fs.ReadFile(os.DirFS(filepath.Dir(log)), filepath.Base(log))
	if err != nil || int64(len(text)) <= begin {
		return "it said nothing; start it without --detach"
	}
	text = text[begin:]
	return strings.TrimPrefix(strings.TrimSpace(lines(string(text[max(0, len(text)-wordsMax):]))), "phi: ")
}
