package trace

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Shape is a load that is generated from a few numbers.
type Shape struct {
	// Name is the part before the colon.
	Name string
	// Syntax is an example of the shape, and Description says what it means.
	Syntax, Description string

	// generate returns the load and the shape's own length. If length is above
	// 0, the points cover that length.
	generate func(arguments string, length time.Duration) (curve, error)
}

// curve is a load whose times count from 0.
type curve struct {
	points []point
	length time.Duration
	linear bool
}

type point struct {
	at   time.Duration
	load float64
}

var shapes = []Shape{
	{"constant", "constant:600", "the same load for an hour", constant},
	{"steps", "steps:0@0s,600@5m,0@1h", "each load from its time on; the last lasts as long as the one before it", steps},
	{"sine", "sine:20..900/24h", "from the lowest load to the highest and back within the period", sine},
	{"spike", "spike:60..2000@10m+5m", "a base load, and a peak that starts after 10m and lasts 5m", spike},
	{"business-day", "business-day:0..1000", "working hours; a trace of several days starts on a Monday", businessDay},
}

// Shapes lists the shapes that [ParseShape] knows.
func Shapes() []Shape { return slices.Clone(shapes) }

// IsShape reports whether text begins with the name of a shape. The name of a
// file may do so too.
func IsShape(text string) bool {
	_, ok := findShape(text)
	return ok
}

func findShape(text string) (Shape, bool) {
	name, _, _ := strings.Cut(text, ":")
	for _, s := range shapes {
		if s.Name == name {
			return s, true
		}
	}
	return Shape{}, false
}

// ParseShape generates a trace in the policy's metric, such as "constant:600" or
// "sine:20..900/24h". If length is 0, the shape's own length is used.
func ParseShape(text string, length time.Duration) (Trace, error) {
	s, ok := findShape(text)
	if !ok {
		names := make([]string, len(shapes))
		for i, s := range shapes {
			names[i] = s.Syntax
		}
		return Trace{}, invalid("shape", text, "like "+strings.Join(names, ", "))
	}
	if length < 0 || length > MaxLength {
		return Trace{}, invalid("duration", scaler.FormatDuration(length), "above 0 and at most 100 years")
	}
	_, arguments, _ := strings.Cut(text, ":")
	c, err := s.generate(strings.TrimSpace(arguments), length)
	if err != nil {
		return Trace{}, fmt.Errorf("%s, as in %s: %w", s.Name, s.Syntax, err)
	}
	if length == 0 {
		length = c.length
	}
	start := time.Unix(0, 0).UTC()
	t := Trace{End: start.Add(length), Linear: c.linear}
	for _, p := range c.points {
		if p.at < length {
			t.Points = append(t.Points, scaler.Sample{Time: start.Add(p.at), Value: p.load})
		}
	}
	return t, t.Check()
}

func constant(arguments string, _ time.Duration) (curve, error) {
	load, err := readLoad("load", arguments)
	return curve{points: []point{{0, load}}, length: time.Hour}, err
}

func steps(arguments string, _ time.Duration) (curve, error) {
	var c curve
	for part := range strings.SplitSeq(arguments, ",") {
		load, at, found := strings.Cut(strings.TrimSpace(part), "@")
		if !found {
			return curve{}, invalid("step", part, "a load and a time, such as 600@5m")
		}
		n, err := readLoad("load", load)
		if err != nil {
			return curve{}, err
		}
		begin, err := readDuration("time", at, 0)
		if err != nil {
			return curve{}, err
		}
		last := len(c.points) - 1
		if last >= 0 && begin <= c.points[last].at {
			return curve{}, invalid("time", at, "after "+scaler.FormatDuration(c.points[last].at)+", the one before it")
		}
		if last < 0 && begin > 0 {
			c.points = append(c.points, point{})
			last++
		}
		c.length = begin + time.Hour
		if last >= 0 {
			c.length = begin + begin - c.points[last].at
		}
		c.points = append(c.points, point{begin, n})
	}
	return c, nil
}

// pointsPerPeriod keeps the straight lines between the points of a sine within a
// thousandth of its amplitude.
const pointsPerPeriod = 96

// maxPeriods bounds the memory that a long trace with a short period takes.
const maxPeriods = 20_000

func sine(arguments string, length time.Duration) (curve, error) {
	loads, period, _ := strings.Cut(arguments, "/")
	lowest, highest, err := loadRange(loads)
	if err != nil {
		return curve{}, err
	}
	d, err := readDuration("period", period, time.Minute)
	if err != nil {
		return curve{}, err
	}
	if length/d > maxPeriods {
		return curve{}, invalid("period", period, fmt.Sprintf("longer: %s has more than %d periods", scaler.FormatDuration(length), maxPeriods))
	}
	c := curve{length: d, linear: true}
	n := pointsPerPeriod
	if length > d {
		n = int(math.Ceil(float64(length) / float64(d) * pointsPerPeriod))
	}
	for i := range n + 1 {
		phase := float64(i) / pointsPerPeriod
		c.points = append(c.points, point{
			time.Duration(phase * float64(d)),
			lowest + (highest-lowest)*(1-math.Cos(2*math.Pi*phase))/2,
		})
	}
	return c, nil
}

func spike(arguments string, _ time.Duration) (curve, error) {
	loads, when, _ := strings.Cut(arguments, "@")
	base, peak, err := loadRange(loads)
	if err != nil {
		return curve{}, err
	}
	begin, last, _ := strings.Cut(when, "+")
	at, err := readDuration("time", begin, 0)
	if err != nil {
		return curve{}, err
	}
	d, err := readDuration("length", last, time.Second)
	if err != nil {
		return curve{}, err
	}
	c := curve{length: at + d + max(at, d)}
	if at > 0 {
		c.points = append(c.points, point{0, base})
	}
	c.points = append(c.points, point{at, peak}, point{at + d, base})
	return c, nil
}

// officeHours is the load of a working day at some of its hours, as a fraction of
// the peak.
var officeHours = []struct{ hour, part float64 }{
	{0, 0}, {6, 0}, {8, 0.4}, {9.5, 0.9}, {11, 1}, {12.5, 0.7}, {14, 0.95}, {16, 0.85}, {18, 0.35}, {20, 0.1}, {22, 0},
}

func businessDay(arguments string, length time.Duration) (curve, error) {
	if arguments == "" {
		arguments = "0..1000"
	}
	lowest, highest, err := loadRange(arguments)
	if err != nil {
		return curve{}, err
	}
	const day = 24 * time.Hour
	c := curve{length: day, linear: true}
	for i := range int(max(length-1, 0)/day) + 1 {
		for _, h := range officeHours {
			part := h.part
			if i%7 >= 5 {
				part = 0
			}
			c.points = append(c.points, point{
				time.Duration(i)*day + time.Duration(h.hour*float64(time.Hour)),
				lowest + (highest-lowest)*part,
			})
		}
	}
	return c, nil
}

// loadRange reads the lowest and the highest load, such as 20..900.
func loadRange(text string) (lowest, highest float64, err error) {
	from, to, found := strings.Cut(text, "..")
	if !found {
		return 0, 0, invalid("loads", text, "the lowest and the highest load, such as 20..900")
	}
	if lowest, err = readLoad("lowest load", from); err != nil {
		return 0, 0, err
	}
	if highest, err = readLoad("highest load", to); err != nil {
		return 0, 0, err
	}
	if highest < lowest {
		return 0, 0, invalid("highest load", to, "at least "+from)
	}
	return lowest, highest, nil
}

func readLoad(key, text string) (float64, error) {
	load, ok := parseLoad(strings.TrimSpace(text))
	if !ok || math.IsNaN(load) {
		return 0, invalid(key, text, "a number from 0 to 1e15")
	}
	return load, nil
}

func readDuration(key, text string, least time.Duration) (time.Duration, error) {
	d, ok := scaler.ParseDuration(strings.TrimSpace(text))
	if !ok || d < least || d > MaxLength {
		return 0, invalid(key, text, fmt.Sprintf("a duration of at least %s, such as 90s or 24h", scaler.FormatDuration(least)))
	}
	return d, nil
}
