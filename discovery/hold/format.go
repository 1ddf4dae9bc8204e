package hold

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// format is what the file calls itself, formatVersion the only version that is known. A field may be added to a version where a
	// file without it, which was written before, means the same as ever; a file with a field that is not known is refused.
	format        = "outrigger.dev/last-good"
	formatVersion = 1
)

// ErrRefused is in every error about a last-good file that is there and cannot be used.
var ErrRefused = errors.New("the last-good file is refused")

// envelope is the file: what it is, and the checksum of the content as it stands there.
type envelope struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Content json.RawMessage `json:"content"`
}

// content is what the file says.
type content struct {
	// Mesh names the control plane whose state it is.
	Mesh     string          `json:"mesh"`
	Written  time.Time       `json:"written"`
	Sources  []savedSource   `json:"sources,omitempty"`
	Policies []savedPolicies `json:"policies,omitempty"`
}

// encode returns the bytes of the file.
func encode(c content) ([]byte, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("last-good file: %w", err)
	}
	data, err := json.Marshal(envelope{Format: format, Version: formatVersion, SHA256: checksum(raw), Content: raw})
	if err != nil {
		return nil, fmt.Errorf("last-good file: %w", err)
	}
	return append(data, '\n'), nil
}

// decode checks the bytes of a file of that mesh, and returns its content.
func decode(data []byte, mesh string) (content, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil || e.Format != format {
		return content{}, fmt.Errorf("%w: it is damaged, or not such a file (format %q)", ErrRefused, e.Format)
	}
	if e.Version != formatVersion {
		return content{}, fmt.Errorf("%w: its version is %d, and only %d is known here", ErrRefused, e.Version, formatVersion)
	}
	if sum := checksum(e.Content); sum != e.SHA256 {
		return content{}, fmt.Errorf("%w: it is damaged: its checksum is %s, not %s", ErrRefused, sum, e.SHA256)
	}
	var c content
	decoder := json.NewDecoder(bytes.NewReader(e.Content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return content{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if c.Mesh != mesh {
		return content{}, fmt.Errorf("%w: it is that of mesh %q, not of %q", ErrRefused, c.Mesh, mesh)
	}
	return c, nil
}

func checksum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
