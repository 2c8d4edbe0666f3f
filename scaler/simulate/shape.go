package simulate

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nomadscale/terraform-provider-nomadscale/scaler"
)

// Shape is a load that is generated from a few numbers.
type Shape struct {
	// Name is what comes before the colon.
	Name string
	// Syntax shows how it is written, and Description says what it is.
	Syntax, Description string

	// make returns the shape's points, for a length when it is above 0, and its
	// own length. Times count from 0.
	make func(arguments string, length time.Duration) (shape, error)
}

type shape struct {
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
	{"steps", "steps:0@0s,600@5m,0@1h", "each load from its time on, the last as long as the one before", steps},
	{"sine", "sine:20..900/24h", "from the least to the most and back within the period", sine},
	{"spike", "spike:60..2000@10m+5m", "a base load, and a peak that begins 10m in and lasts 5m", spike},
	{"business-day", "business-day:0..1000", "working hours; the days of a longer one begin on a Monday", businessDay},
}

// Shapes lists the shapes that [ParseShape] knows.
func Shapes() []Shape { return append([]Shape(nil), shapes...) }

// IsShape tells whether text begins like a shape. The name of a file may too.
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
// "sine:20..900/24h". A length of 0 is the shape's own.
func ParseShape(text string, length time.Duration) (Trace, error) {
	s, ok := findShape(text)
	if !ok {
		names := make([]string, len(shapes))
		for i, s := range shapes {
			names[i] = s.Syntax
		}
		return Trace{}, wrong("shape", text, "like "+strings.Join(names, ", "))
	}
	if length < 0 || length > maxLength {
		return Trace{}, wrong("duration", scaler.FormatDuration(length), "above 0 and at most 100 years")
	}
	_, arguments, _ := strings.Cut(text, ":")
	made, err := s.make(strings.TrimSpace(arguments), length)
	if err != nil {
		return Trace{}, fmt.Errorf("%s, as in %s: %w", s.Name, s.Syntax, err)
	}
	if length == 0 {
		length = made.length
	}
	start := time.Unix(0, 0).UTC()
	t := Trace{End: start.Add(length), Linear: made.linear}
	for _, p := range made.points {
		if p.at < length {
			t.Points = append(t.Points, scaler.Sample{Time: start.Add(p.at), Value: p.load})
		}
	}
	return t, t.check()
}

func constant(arguments string, _ time.Duration) (shape, error) {
	load, err := oneLoad("load", arguments)
	return shape{points: []point{{0, load}}, length: time.Hour}, err
}

func steps(arguments string, _ time.Duration) (shape, error) {
	var s shape
	for part := range strings.SplitSeq(arguments, ",") {
		load, at, found := strings.Cut(strings.TrimSpace(part), "@")
		if !found {
			return shape{}, wrong("step", part, "a load and a time, such as 600@5m")
		}
		n, err := oneLoad("load", load)
		if err != nil {
			return shape{}, err
		}
		begin, err := oneDuration("time", at, 0)
		if err != nil {
			return shape{}, err
		}
		last := len(s.points) - 1
		if last >= 0 && begin <= s.points[last].at {
			return shape{}, wrong("time", at, "after "+scaler.FormatDuration(s.points[last].at)+", the one before it")
		}
		if last < 0 && begin > 0 {
			s.points = append(s.points, point{})
			last++
		}
		s.length = begin + time.Hour
		if last >= 0 {
			s.length = begin + begin - s.points[last].at
		}
		s.points = append(s.points, point{begin, n})
	}
	return s, nil
}

// A sine is drawn with so many points a period: straight lines between them are
// within a thousandth of it.
const pointsPerPeriod = 96

// maxPeriods keeps a short period of a long trace from filling the memory.
const maxPeriods = 20_000

func sine(arguments string, length time.Duration) (shape, error) {
	loads, period, _ := strings.Cut(arguments, "/")
	least, most, err := twoLoads(loads)
	if err != nil {
		return shape{}, err
	}
	d, err := oneDuration("period", period, time.Minute)
	if err != nil {
		return shape{}, err
	}
	if length/d > maxPeriods {
		return shape{}, wrong("period", period, "longer: there are more than 20000 of it in "+scaler.FormatDuration(length))
	}
	s := shape{length: d, linear: true}
	n := pointsPerPeriod
	if length > d {
		n = int(math.Ceil(float64(length) / float64(d) * pointsPerPeriod))
	}
	for i := range n + 1 {
		turn := float64(i) / pointsPerPeriod
		s.points = append(s.points, point{
			time.Duration(turn * float64(d)),
			least + (most-least)*(1-math.Cos(2*math.Pi*turn))/2,
		})
	}
	return s, nil
}

func spike(arguments string, _ time.Duration) (shape, error) {
	loads, when, _ := strings.Cut(arguments, "@")
	base, peak, err := twoLoads(loads)
	if err != nil {
		return shape{}, err
	}
	begin, last, _ := strings.Cut(when, "+")
	at, err := oneDuration("time", begin, 0)
	if err != nil {
		return shape{}, err
	}
	d, err := oneDuration("length", last, time.Second)
	if err != nil {
		return shape{}, err
	}
	s := shape{length: at + d + max(at, d)}
	if at > 0 {
		s.points = append(s.points, point{0, base})
	}
	s.points = append(s.points, point{at, peak}, point{at + d, base})
	return s, nil
}

// officeHours is how busy a working day is at hours of it.
var officeHours = []struct{ hour, part float64 }{
	{0, 0}, {6, 0}, {8, 0.4}, {9.5, 0.9}, {11, 1}, {12.5, 0.7}, {14, 0.95}, {16, 0.85}, {18, 0.35}, {20, 0.1}, {22, 0},
}

func businessDay(arguments string, length time.Duration) (shape, error) {
	if arguments == "" {
		arguments = "0..1000"
	}
	least, most, err := twoLoads(arguments)
	if err != nil {
		return shape{}, err
	}
	const day = 24 * time.Hour
	s := shape{length: day, linear: true}
	for i := range int(max(length-1, 0)/day) + 1 {
		for _, h := range officeHours {
			part := h.part
			if i%7 >= 5 {
				part = 0
			}
			s.points = append(s.points, point{
				time.Duration(i)*day + time.Duration(h.hour*float64(time.Hour)),
				least + (most-least)*part,
			})
		}
	}
	return s, nil
}

// twoLoads reads the least and the most of a load, such as 20..900.
func twoLoads(text string) (least, most float64, err error) {
	from, to, found := strings.Cut(text, "..")
	if !found {
		return 0, 0, wrong("loads", text, "the least and the most, such as 20..900")
	}
	if least, err = oneLoad("least load", from); err != nil {
		return 0, 0, err
	}
	if most, err = oneLoad("most load", to); err != nil {
		return 0, 0, err
	}
	if most < least {
		return 0, 0, wrong("most load", to, "at least "+from)
	}
	return least, most, nil
}

func oneLoad(key, text string) (float64, error) {
	load, ok := parseLoad(strings.TrimSpace(text))
	if !ok || math.IsNaN(load) {
		return 0, wrong(key, text, "a number from 0 to 1e15")
	}
	return load, nil
}

func oneDuration(key, text string, least time.Duration) (time.Duration, error) {
	d, ok := scaler.ParseDuration(strings.TrimSpace(text))
	if !ok || d < least || d > maxLength {
		return 0, wrong(key, text, fmt.Sprintf("a duration of at least %s, such as 90s or 24h", scaler.FormatDuration(least)))
	}
	return d, nil
}
