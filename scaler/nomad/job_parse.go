package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// The formats in which Nomad stores the source of a job.
const (
	formatHCL  = "hcl2"
	formatJSON = "json"
)

// format returns the format of a specification. No HCL job begins with a brace.
func format(specification string) string {
	if strings.HasPrefix(strings.TrimSpace(specification), "{") {
		return formatJSON
	}
	return formatHCL
}

// ParseJob parses a job specification in HCL or JSON. Nomad itself parses HCL. JSON
// is {"Job": …} or the job alone. ParseJob fills in no defaults. It returns
// [jobspec.ErrSpecification] if the specification is wrong.
func (j *Jobs) ParseJob(ctx context.Context, specification string) (*api.Job, error) {
	parse := parseJSON
	if format(specification) == formatHCL {
		parse = func(text string) (*api.Job, error) { return j.parseHCL(ctx, text) }
	}
	job, err := parse(specification)
	if err != nil {
		return nil, err
	}
	if job.ID == nil || *job.ID == "" {
		return nil, fmt.Errorf("%w: the job has no ID", jobspec.ErrSpecification)
	}
	for _, group := range job.TaskGroups {
		if group.Name == nil {
			return nil, fmt.Errorf("%w: a group has no name", jobspec.ErrSpecification)
		}
	}
	return job, nil
}

func parseJSON(text string) (*api.Job, error) {
	wrapped := struct{ Job *api.Job }{}
	if err := json.Unmarshal([]byte(text), &wrapped); err != nil {
		return nil, fmt.Errorf("%w: %w", jobspec.ErrSpecification, err)
	}
	if wrapped.Job != nil {
		return wrapped.Job, nil
	}
	job := new(api.Job)
	if err := json.Unmarshal([]byte(text), job); err != nil {
		return nil, fmt.Errorf("%w: %w", jobspec.ErrSpecification, err)
	}
	return job, nil
}

func (j *Jobs) parseHCL(ctx context.Context, text string) (*api.Job, error) {
	job, request := new(api.Job), &api.JobsParseRequest{JobHCL: text}
	_, err := j.api.Raw().Write("/v1/jobs/parse", request, job, (&api.WriteOptions{}).WithContext(ctx))
	if statusCode(err) == http.StatusBadRequest {
		return nil, fmt.Errorf("%w: %s", jobspec.ErrSpecification, responseText(err))
	}
	return job, wrap(withCapability("submit-job", "default", err), "parsing the job specification")
}
