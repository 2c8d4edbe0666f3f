package nomad

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// ErrNotFound is returned if Nomad does not have what was asked for.
var ErrNotFound = jobspec.ErrNotFound

// ErrConflict is returned if a value has changed since it was read.
var ErrConflict = errors.New("changed meanwhile")

// ErrDenied is returned if the token does not permit an operation.
var ErrDenied = errors.New("permission denied")

// ErrLocked is returned while a rollout of the job prevents scaling.
var ErrLocked = errors.New("a deployment is in the way")

// withCapability names the capability that the token lacks, if Nomad has refused
// an operation.
func withCapability(capability, namespace string, err error) error {
	if statusCode(err) != http.StatusForbidden {
		return err
	}
	return fmt.Errorf("%w: the token needs the capability %s in namespace %s", ErrDenied, capability, namespace)
}

// wrap adds to an error what was being done. It replaces Nomad's 404 by
// [ErrNotFound].
func wrap(err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	if statusCode(err) == http.StatusNotFound {
		err = ErrNotFound
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(doing, args...), err)
}

// statusCode returns the HTTP status of an error from Nomad, or 0.
func statusCode(err error) int {
	var response api.UnexpectedResponseError
	if errors.As(err, &response) && response.HasStatusCode() {
		return response.StatusCode()
	}
	return 0
}

// responseText returns the text of Nomad's response in an error, without what the
// HTTP client adds.
func responseText(err error) string {
	var response api.UnexpectedResponseError
	if errors.As(err, &response) && response.HasBody() {
		return strings.TrimSpace(response.Body())
	}
	return err.Error()
}

// refusal translates the errors of Nomad that call for another attempt to
// [ErrLocked] and [ErrConflict].
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "scaling blocked due to active deployment"):
		return ErrLocked
	case strings.Contains(err.Error(), api.RegisterEnforceIndexErrPrefix):
		return ErrConflict
	default:
		return err
	}
}
