package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// attemptsMax is how often in a row a download may be cut without a byte.
	attemptsMax    = 5
	pauseMin       = 200 * time.Millisecond
	stallMax       = time.Minute // without a byte
	fetchStep      = 1 << 20
	hubAnswerBytes = 8 << 20
)

// partial is what a partial file is of.
type partial struct {
	URL string `json:"url"`
	// Tag is a strong ETag, or a date: what If-Range takes.
	Tag string `json:"tag"`
}

// fetch is a download under way.
type fetch struct {
	r     *Registry
	url   string
	at    string
	about partial
	file  *os.File
	done  int64
	total int64
	a     *Adding
}

func (r *Registry) fromURL(ctx context.Context, source string, a *Adding) (at, stem string, err error) {
	u, err := url.Parse(source)
	if err != nil || u.Host == "" {
		return "", "", errors.New("it is not a URL; give https://HOST/PATH")
	}
	sum := sha256.Sum256([]byte(source))
	f := &fetch{r: r, url: source, a: a, at: filepath.Join(r.dir, "partial", hex.EncodeToString(sum[:16]))}
	if err := f.all(ctx); err != nil {
		return "", "", err
	}
	_ = os.Remove(f.at + ".json")
	return f.at + ".part", path.Base(u.Path), nil
}

// all fetches until everything is there, going on after each cut.
func (f *fetch) all(ctx context.Context) error {
	file, err := os.OpenFile(f.at+".part", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.file = file
	defer func() { _ = file.Close() }()
	if f.done, err = file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	b, err := os.ReadFile(f.at + ".json")
	if err != nil || json.Unmarshal(b, &f.about) != nil || f.about.URL != f.url || f.about.Tag == "" {
		f.about = partial{URL: f.url} // Of what these bytes are a part is not known.
		if err := f.restart(); err != nil {
			return err
		}
	}
	pause := pauseMin
	for failures := 0; ; {
		before := f.done
		whole, err := f.once(ctx)
		if whole || err != nil && !cut(err) {
			return err
		}
		if failures++; f.done > before {
			failures, pause = 0, pauseMin
		}
		if failures >= attemptsMax {
			return fmt.Errorf("cut after %d of %d bytes: %w; add it again to go on from there", f.done, f.total, err)
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	limit, stop := context.WithTimeout(ctx, d)
	defer stop()
	<-limit.Done()
	return ctx.Err()
}

// errCut marks what another attempt may mend.
var errCut = errors.New("the connection was cut")

func cut(err error) bool { return err == nil || errors.Is(err, errCut) }

func (f *fetch) restart() error {
	f.done = 0
	if err := f.file.Truncate(0); err != nil {
		return err
	}
	_, err := f.file.Seek(0, io.SeekStart)
	return err
}

// once makes one request, and reports whether everything is there.
func (f *fetch) once(ctx context.Context) (whole bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, http.NoBody)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept-Encoding", "identity")
	if f.done > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(f.done, 10)+"-")
		request.Header.Set("If-Range", f.about.Tag)
	}
	answer, err := f.r.o.Client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return false, fmt.Errorf("%w: %w", errCut, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if whole, err = f.begin(answer); whole || err != nil {
		return whole, err
	}
	if err := f.r.sized(f.total, f.done); err != nil {
		return false, err
	}
	return f.body(ctx, answer.Body, stop)
}

// begin reads the head of an answer and brings the file to where it goes on.
func (f *fetch) begin(answer *http.Response) (whole bool, err error) {
	switch answer.StatusCode {
	case http.StatusPartialContent:
		var from, to int64
		var size string
		if n, _ := fmt.Sscanf(answer.Header.Get("Content-Range"), "bytes %d-%d/%s", &from, &to, &size); n != 3 || from != f.done {
			return false, errors.Join(errCut, f.restart())
		}
		f.total, _ = strconv.ParseInt(size, 10, 64)
		return false, nil
	case http.StatusOK:
		if err := f.restart(); err != nil {
			return false, err
		}
		f.total = max(answer.ContentLength, 0)
		f.about.Tag = answer.Header.Get("ETag")
		if f.about.Tag == "" || strings.HasPrefix(f.about.Tag, "W/") {
			f.about.Tag = answer.Header.Get("Last-Modified")
		}
		b, err := json.Marshal(&f.about)
		if err != nil {
			return false, err
		}
		return false, replace(f.at+".json", b)
	case http.StatusRequestedRangeNotSatisfiable:
		// All of it was there already, or it is another file now.
		if answer.Header.Get("Content-Range") == "bytes */"+strconv.FormatInt(f.done, 10) {
			return true, nil
		}
		return false, errors.Join(errCut, f.restart())
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInternalServerError:
		return false, fmt.Errorf("%w: the server answers %s", errCut, answer.Status)
	default:
		return false, fmt.Errorf("the server answers %s; check the address, and whether it needs a key", answer.Status)
	}
}

// body appends what comes to the file. stop ends the request, when nothing comes
// for too long.
func (f *fetch) body(ctx context.Context, body io.Reader, stop context.CancelCauseFunc) (whole bool, err error) {
	for {
		limit, cancel := context.WithTimeout(ctx, stallMax)
		unhook := context.AfterFunc(limit, func() { stop(fmt.Errorf("%w: nothing came for %v", errCut, stallMax)) })
		n, err := io.CopyN(f.file, body, fetchStep)
		unhook()
		cancel()
		f.done += n
		f.a.Progress("fetch", f.done, f.total)
		if f.done > f.r.o.BytesMax {
			_ = f.restart()
			return false, fmt.Errorf("it has more than %d bytes, which is the bound; raise it", f.r.o.BytesMax)
		}
		switch {
		case errors.Is(err, io.EOF) && f.done >= f.total && (f.total > 0 || f.done > 0):
			return true, f.file.Sync()
		case err == nil:
			continue
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case errors.Is(err, syscall.ENOSPC):
			return false, fmt.Errorf("the disk is full after %d of %d bytes; make room and add it again to go on from there: %w", f.done, f.total, err)
		default:
			return false, fmt.Errorf("%w: %w", errCut, err)
		}
	}
}
