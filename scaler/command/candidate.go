package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad"
	"github.com/nomadscale/terraform-provider-nomadscale/scaler/nomad/jobspec"
)

// candidate is a policy to simulate.
type candidate struct {
	name     string
	policy   scaler.Policy
	document scaler.Document
	disabled bool
	interval time.Duration // evaluation_interval; 0 when it is not known
}

// readCandidate reads files and key-value pairs. Each argument changes the result of the
// ones before it. A file replaces the base from which it starts.
func readCandidate(base candidate, arguments []string, group string) (candidate, error) {
	c := base
	c.document = maps.Clone(base.document)
	if c.document == nil {
		c.document = scaler.Document{}
	}
	var names []string
	for _, argument := range arguments {
		text, err := os.ReadFile(argument)
		switch {
		case err == nil:
			argument = filepath.Base(argument)
			if c, err = readPolicyFile(text, group); err != nil {
				return candidate{}, err
			}
		case os.IsNotExist(err) && strings.Contains(argument, "="):
			changes := scaler.Document{}
			for pair := range strings.SplitSeq(argument, ",") {
				if err := readPair(changes, pair); err != nil {
					return candidate{}, err
				}
			}
			maps.Copy(c.document, changes)
		default:
			return candidate{}, err
		}
		names = append(names, argument)
	}
	c.name = strings.Join(names, " ")
	// The app's name does not affect the simulation.
	for key, value := range map[string]string{"namespace": "default", "job": "app", "group": "app"} {
		if _, given := c.document[key]; !given {
			c.document[key] = value
		}
	}
	var err error
	c.policy, err = scaler.Parse(c.document)
	c.policy.Enabled = !c.disabled
	return c, err
}

// readPolicyFile reads the JSON of a job, a scaling block or a document, or a document
// with one key in each line.
func readPolicyFile(text []byte, group string) (candidate, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		document, err := readLines(string(text))
		return candidate{document: document}, err
	}
	var shape struct {
		Job        json.RawMessage
		TaskGroups json.RawMessage
		Policy     json.RawMessage
	}
	if err := json.Unmarshal(text, &shape); err != nil {
		return candidate{}, err
	}
	switch {
	case shape.Job != nil && bytes.HasPrefix(shape.Job, []byte("{")):
		return readJob(shape.Job, group)
	case shape.TaskGroups != nil:
		return readJob(text, group)
	case shape.Policy != nil:
		var block api.ScalingPolicy
		if err := json.Unmarshal(text, &block); err != nil {
			return candidate{}, err
		}
		return readBlock(&block)
	default:
		document, err := readObject(text)
		return candidate{document: document}, err
	}
}

// readJob reads the policy of a group. If only one group has a policy, group can be "".
func readJob(text []byte, group string) (candidate, error) {
	var job struct {
		TaskGroups []struct {
			Name    string
			Scaling *api.ScalingPolicy
		}
	}
	if err := json.Unmarshal(text, &job); err != nil {
		return candidate{}, err
	}
	found := make(map[string]candidate)
	for _, g := range job.TaskGroups {
		if g.Scaling == nil || group != "" && g.Name != group {
			continue
		}
		c, err := readBlock(g.Scaling)
		if errors.Is(err, nomad.ErrNotFound) {
			continue
		}
		if err != nil {
			return candidate{}, fmt.Errorf("group %s: %w", g.Name, err)
		}
		found[g.Name] = c
	}
	names := slices.Sorted(maps.Keys(found))
	switch {
	case len(names) == 0 && group != "":
		return candidate{}, fmt.Errorf("the job has no group %q with a nomadscale policy", group)
	case len(names) == 0:
		return candidate{}, errors.New("no group of the job has a nomadscale policy")
	case len(names) > 1:
		return candidate{}, &scaler.ValueError{Key: "group", Allowed: "one of " + strings.Join(names, ", ")}
	}
	return found[names[0]], nil
}

func readBlock(block *api.ScalingPolicy) (candidate, error) {
	b, err := jobspec.ParseBlock(block)
	if err != nil {
		return candidate{}, err
	}
	return candidate{document: b.Policy.Document(), disabled: !b.Policy.Enabled, interval: b.EvaluationInterval}, nil
}

// readObject reads a document from a JSON object of strings, numbers and booleans.
func readObject(text []byte) (scaler.Document, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	document := make(scaler.Document, len(object))
	for key, value := range object {
		switch value.(type) {
		case string, json.Number, bool:
			document[key] = fmt.Sprint(value)
		default:
			return nil, &scaler.ValueError{Key: key, Value: fmt.Sprint(value), Allowed: "a string, a number or a boolean"}
		}
	}
	return document, nil
}

// readLines reads a document as a strategy block has it. Each line has one key and its
// value, is blank or is a comment.
func readLines(text string) (scaler.Document, error) {
	document := scaler.Document{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//") {
			continue
		}
		if err := readPair(document, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return document, nil
}

// readPair adds key = value to a document. It refuses a key that the document has.
func readPair(document scaler.Document, text string) error {
	key, rest, found := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	value, ok := readValue(strings.TrimSpace(rest))
	if !found || key == "" || !ok {
		return fmt.Errorf("%q: must be key = value", text)
	}
	if _, given := document[key]; given {
		return fmt.Errorf("%s is given twice", key)
	}
	document[key] = value
	return nil
}

// readValue reads a value with or without quotes. A comment can follow it.
func readValue(text string) (string, bool) {
	if quoted, err := strconv.QuotedPrefix(text); err == nil && text[0] == '"' {
		rest := strings.TrimSpace(text[len(quoted):])
		value, err := strconv.Unquote(quoted)
		return value, err == nil && (rest == "" || strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "//"))
	}
	value, _, _ := strings.Cut(text, " #")
	value, _, _ = strings.Cut(value, " //")
	value = strings.TrimSpace(value)
	return value, value != "" && !strings.ContainsAny(value, "\" \t")
}
