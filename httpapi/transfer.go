package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/upload"
)

const (
	// chunkTimeout is how long a client may take for one part of a long answer.
	chunkTimeout = 2 * time.Minute
	// uploadTimeout is how long a client may take to send an archive.
	uploadTimeout = 10 * chunkTimeout
	// speedGrace is the time after which a client has to read at the speed that is demanded.
	speedGrace = 30 * time.Second
)

// uploads keeps the bodies of restores and imports in temporary files.
type uploads struct {
	dir      string
	maxBytes int64
	create   func(dir string) (*upload.File, error)
}

// receive writes the body of a request, bare or as the file of a form, to a temporary file: a zip is read from its end,
// and a client that sends many titles reads no answer until it has sent them all. The caller must close the file.
func (u uploads) receive(w http.ResponseWriter, r *http.Request) (file *upload.File, size int64, err error) {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(uploadTimeout)) // a ResponseWriter without deadlines keeps the server's
	_ = conn.SetWriteDeadline(time.Time{})                  // it is set when the answer begins
	body := io.Reader(http.MaxBytesReader(w, r.Body, u.maxBytes+formOverhead))
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType == "multipart/form-data" {
		r.Body = io.NopCloser(body)
		if body, err = formFile(r, params["boundary"]); err != nil {
			return nil, 0, bodyError(err, int(u.maxBytes), false)
		}
	}
	if file, err = u.create(u.dir); err != nil {
		return nil, 0, err
	}
	if size, err = u.copy(file, body); err != nil {
		_ = file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// copy copies a body to a file and goes back to the file's beginning.
func (u uploads) copy(file *upload.File, body io.Reader) (size int64, err error) {
	size, err = io.Copy(file, body)
	var failed *upload.Error
	switch {
	case errors.As(err, &failed):
		return 0, err
	case err != nil:
		return 0, bodyError(err, int(u.maxBytes), false)
	case size > u.maxBytes:
		return 0, &bodyTooLarge{int(u.maxBytes), false}
	}
	_, err = file.Seek(0, io.SeekStart)
	return size, err
}

// A patientWriter writes a long answer. It gives its client time for each part anew, or demands a speed.
type patientWriter struct {
	w        io.Writer
	conn     *http.ResponseController
	bytes    int64
	began    time.Time
	deadline time.Time
	end      time.Time // of the whole answer; zero: there is none
	minSpeed int64     // in bytes per second on average; 0: none
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w: w, conn: http.NewResponseController(w), began: time.Now()}
}

// Write implements io.Writer.
func (p *patientWriter) Write(data []byte) (int, error) {
	if next := p.nextDeadline(time.Now()); next.Sub(p.deadline).Abs() > time.Second {
		p.deadline = next
		_ = p.conn.SetWriteDeadline(next) // a ResponseWriter without deadlines keeps the server's
	}
	n, err := p.w.Write(data)
	p.bytes += int64(n)
	return n, err
}

// nextDeadline returns the time until which the client has to read the next part.
func (p *patientWriter) nextDeadline(now time.Time) time.Time {
	next := now.Add(chunkTimeout)
	if p.minSpeed > 0 {
		next = p.began.Add(speedGrace + time.Duration(p.bytes/p.minSpeed)*time.Second)
	}
	if !p.end.IsZero() && next.After(p.end) {
		next = p.end
	}
	return next
}
