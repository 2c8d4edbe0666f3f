package trace

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

const allowedLoad = "a number from 0 to 1e15, or nothing where the load is not known"

// ParseCSV reads a trace of two columns. A header names them: time, and one of
// requests_per_minute, concurrency and load. A line that begins with # is a
// comment.
func ParseCSV(text []byte) (Trace, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment = '#'
	r.TrimLeadingSpace = true
	r.FieldsPerRecord = 2
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return Trace{}, lineError(err)
	}
	time, metric, err := columns(header)
	if err != nil {
		return Trace{}, err
	}
	name := strings.TrimSpace(header[1-time])
	var points []scaler.Sample
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Trace{}, lineError(err)
		}
		line, _ := r.FieldPos(0)
		at, err := ParseTime(strings.TrimSpace(record[time]))
		if err != nil {
			return Trace{}, fmt.Errorf("line %d: %w", line, err)
		}
		value := strings.TrimSpace(record[1-time])
		load, ok := parseLoad(value)
		if !ok {
			return Trace{}, fmt.Errorf("line %d: %w", line, invalid(name, value, allowedLoad))
		}
		if n := len(points); n > 0 && !at.After(points[n-1].Time) {
			return Trace{}, fmt.Errorf("line %d: %w", line, invalid("time", strings.TrimSpace(record[time]), "after the one before it"))
		}
		points = append(points, scaler.Sample{Time: at, Value: load})
	}
	return newTrace(metric, points)
}

// columns returns which of the two columns is the time, and the metric of the
// other.
func columns(header []string) (time int, metric scaler.Metric, err error) {
	if strings.TrimSpace(header[0]) != "time" {
		time = 1
	}
	name := strings.TrimSpace(header[1-time])
	metric, ok := metrics[name]
	if strings.TrimSpace(header[time]) != "time" || !ok {
		return 0, "", fmt.Errorf("line 1: %w", invalid("header", strings.Join(header, ","), "time and "+allowedMetrics))
	}
	return time, metric, nil
}

// lineError is an error of the CSV reader in the form of the errors about values.
func lineError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the trace is empty")
	}
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if errors.Is(err, csv.ErrFieldCount) {
		return fmt.Errorf("line %d: must have 2 columns", parse.Line)
	}
	return fmt.Errorf("line %d: %w", parse.Line, parse.Err)
}
