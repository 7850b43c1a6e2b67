package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// Client asks a node. Its methods may be called from any goroutine; each is one
// request on a connection of its own. They return an [*Error] for what the node
// refused, and stop when their context ends.
type Client struct {
	// Socket is the path of the node's socket.
	Socket string
}

// Info returns which node this is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	return ask[Info](ctx, c, OpInfo, Empty{})
}

// Images returns what is installed, by name.
func (c *Client) Images(ctx context.Context) ([]Image, error) {
	return ask[[]Image](ctx, c, OpImages, Empty{})
}

// Install installs a capsule. Content returns the bytes of a file of r, and is
// asked for each in order; what it returns is closed. Progress, when not nil,
// is told how far it is.
func (c *Client) Install(ctx context.Context, r InstallRequest, content func(File) (io.ReadCloser, error), progress func(InstallProgress)) (Image, error) {
	head, err := line(r)
	if err != nil {
		return Image{}, err
	}
	body, feed := io.Pipe()
	go func() { feed.CloseWithError(writeFiles(feed, head, r.Files, content)) }()
	defer body.Close() //nolint:errcheck // a pipe's reader has nothing to fail at
	var image *Image
	err = stream(ctx, c, OpInstall, body, func(p InstallProgress) error {
		if p.Error != nil {
			return p.Error
		}
		if p.Image != nil {
			image = p.Image
		}
		if progress != nil {
			progress(p)
		}
		return nil
	})
	if err == nil && image == nil {
		err = &Error{Code: CodeMachine, Message: "the node ended before it had installed the capsule", Remedy: "look at its log, and install again"}
	}
	if err != nil {
		return Image{}, err
	}
	return *image, nil
}

// Run starts a capsule.
func (c *Client) Run(ctx context.Context, r RunRequest) (Inspection, error) {
	return ask[Inspection](ctx, c, OpRun, r)
}

// List returns the capsules, by name.
func (c *Client) List(ctx context.Context) ([]Capsule, error) {
	return ask[[]Capsule](ctx, c, OpList, Empty{})
}

// Inspect returns everything about a capsule.
func (c *Client) Inspect(ctx context.Context, capsule string) (Inspection, error) {
	return ask[Inspection](ctx, c, OpInspect, Named{capsule})
}

// Caps returns every capability of the node.
func (c *Client) Caps(ctx context.Context) ([]Held, error) {
	return ask[[]Held](ctx, c, OpCaps, Empty{})
}

// Grant gives a capsule a capability, in place of what it had under that name.
func (c *Client) Grant(ctx context.Context, g Grant) error {
	_, err := ask[Empty](ctx, c, OpGrant, g)
	return err
}

// Revoke takes a capability back, with all that was derived from it.
func (c *Client) Revoke(ctx context.Context, capsule, name string) error {
	_, err := ask[Empty](ctx, c, OpRevoke, RevokeRequest{capsule, name})
	return err
}

// Kill ends a capsule for good. It returns when nothing of it runs.
func (c *Client) Kill(ctx context.Context, capsule string) error {
	_, err := ask[Empty](ctx, c, OpKill, Named{capsule})
	return err
}

// Logs gives each line to show, until there are no more, the context ends or
// show returns an error, which Logs then returns.
func (c *Client) Logs(ctx context.Context, r LogsRequest, show func(LogLine) error) error {
	return streamJSON(ctx, c, OpLogs, r, show)
}

// Reload swaps a capsule's program. It returns once the new one has served for
// its probe's window, or the old one serves again.
func (c *Client) Reload(ctx context.Context, r ReloadRequest) (Reloaded, error) {
	return ask[Reloaded](ctx, c, OpReload, r)
}

// Freeze stops a capsule and writes its state to w.
func (c *Client) Freeze(ctx context.Context, capsule string, w io.Writer) error {
	head, err := line(Named{capsule})
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, OpFreeze, bytes.NewReader(head))
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read to its end, or is given up
	if _, err := io.Copy(w, io.LimitReader(answer, FrozenBytesMax)); err != nil {
		return fmt.Errorf("receive the frozen capsule: %w: freeze it again", err)
	}
	return nil
}

// FreezeFile is Freeze into a file that is there whole or not at all, also
// when the machine loses its power.
func (c *Client) FreezeFile(ctx context.Context, capsule, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("freeze to %s: %w", path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // after the renaming there is nothing to remove
	err = c.Freeze(ctx, capsule, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("freeze to %s: %w", path, err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("freeze to %s: %w", path, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Thaw starts a capsule from what Freeze wrote.
func (c *Client) Thaw(ctx context.Context, r ThawRequest, frozen io.Reader) (Inspection, error) {
	head, err := line(r)
	if err != nil {
		return Inspection{}, err
	}
	return answerOf[Inspection](c.post(ctx, OpThaw, io.MultiReader(bytes.NewReader(head), frozen)))
}

// Denials returns what a capsule was refused, the latest last.
func (c *Client) Denials(ctx context.Context, capsule string) ([]Denial, error) {
	return ask[[]Denial](ctx, c, OpDenials, Named{capsule})
}

// Propose returns the smallest grants that would have let through what a
// capsule was refused.
func (c *Client) Propose(ctx context.Context, capsule string) (Proposal, error) {
	return ask[Proposal](ctx, c, OpPropose, Named{capsule})
}

// Call sends a capsule a message and returns its answer.
func (c *Client) Call(ctx context.Context, r CallRequest) (Answer, error) {
	return ask[Answer](ctx, c, OpCall, r)
}

// Top gives each look at the capsules to show, as Logs does with lines.
func (c *Client) Top(ctx context.Context, r TopRequest, show func(Top) error) error {
	return streamJSON(ctx, c, OpTop, r, show)
}

// Door makes another socket with lesser rights, or closes one.
func (c *Client) Door(ctx context.Context, r DoorRequest) (Door, error) {
	return ask[Door](ctx, c, OpDoor, r)
}

// Stop ends the node. Capsules that run are started again with the next one.
func (c *Client) Stop(ctx context.Context) error {
	_, err := ask[Empty](ctx, c, OpStop, Empty{})
	return err
}

// line returns v as JSON with a line end.
func line(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if len(b) >= RequestBytesMax {
		return nil, &Error{Code: CodeRequest, Message: "the request is too long", Remedy: "make it shorter"}
	}
	return append(b, '\n'), nil
}

// writeFiles writes the body of an InstallRequest.
func writeFiles(w io.Writer, head []byte, files []File, content func(File) (io.ReadCloser, error)) error {
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("send the manifest: %w", err)
	}
	for _, f := range files {
		r, err := content(f)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Name, err)
		}
		_, err = io.CopyN(w, r, f.Size)
		if err = errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("send %s: %w", f.Name, err)
		}
	}
	return nil
}

// post sends a request and returns the answer's body: an *Error when the node
// refused.
func (c *Client) post(ctx context.Context, op string, body io.Reader) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://node"+Prefix+op, body)
	if err != nil {
		return nil, fmt.Errorf("ask the node: %w", err)
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", c.Socket)
		},
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, unanswered(ctx, c.Socket, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close() //nolint:errcheck // what matters of it was read
	refusal := &Error{}
	if err := json.NewDecoder(io.LimitReader(answer.Body, RequestBytesMax)).Decode(refusal); err != nil || refusal.Code == "" {
		return nil, &Error{Code: CodeMachine, Message: "the node answered " + answer.Status, Remedy: "is the socket that of a node of this version?"}
	}
	return nil, refusal
}

// unanswered says why there is no answer.
func unanswered(ctx context.Context, socket string, err error) error {
	var dial *net.OpError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask the node: %w", ctx.Err())
	case errors.As(err, &dial) && dial.Op == "dial":
		return &Error{Code: CodeNoNode, Message: "no node listens at " + socket, Remedy: "start one with 'phi up'"}
	default:
		return fmt.Errorf("ask the node: %w", err)
	}
}

// ask sends a request and reads its answer.
func ask[A any](ctx context.Context, c *Client, op string, r any) (A, error) {
	head, err := line(r)
	if err != nil {
		var none A
		return none, err
	}
	return answerOf[A](c.post(ctx, op, bytes.NewReader(head)))
}

func answerOf[A any](body io.ReadCloser, err error) (A, error) {
	var answer A
	if err != nil {
		return answer, err
	}
	defer body.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read the node's answer: %w: ask again", err)
	}
	return answer, nil
}

func streamJSON[A any](ctx context.Context, c *Client, op string, r any, show func(A) error) error {
	head, err := line(r)
	if err != nil {
		return err
	}
	return stream(ctx, c, op, bytes.NewReader(head), show)
}

// stream reads an answer of many lines.
func stream[A any](ctx context.Context, c *Client, op string, body io.Reader, show func(A) error) error {
	answer, err := c.post(ctx, op, body)
	if err != nil {
		return err
	}
	defer answer.Close() //nolint:errcheck // it was read to its end, or is given up
	decoder := json.NewDecoder(bufio.NewReader(answer))
	for {
		var a A
		err := decoder.Decode(&a)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("ask the node: %w", ctx.Err())
		case err != nil:
			return fmt.Errorf("read the node's answer: %w: ask again", err)
		}
		if err := show(a); err != nil {
			return err
		}
	}
}
