package selection

import (
	"errors"
	"fmt"
	"strings"
)

// ErrEmpty reports that no instance is ready.
var ErrEmpty = errors.New("no instance is ready")

// ErrFull reports that every ready instance has as many requests in flight as the
// limit allows.
var ErrFull = errors.New("every ready instance is at max_concurrency_per_instance")

// SeveralError reports that [scaler.SelectExact] found more than one instance.
type SeveralError struct {
	// IDs are the ready instances, by allocation index.
	IDs []string
}

// Error names the instances.
func (e *SeveralError) Error() string {
	return fmt.Sprintf("service_selection_mode exact needs exactly one instance, and %d are ready: %s", len(e.IDs), strings.Join(e.IDs, ", "))
}
