// Layout prints how the project is divided into packages, files and types, and
// fails when a package, a file or a type is beyond its limit.
//
//	go run . [-knots] <directory of the project>
//
// Only production files of the host's build are measured. A knot is a set of
// files of one package in which each file uses, through others or directly, what
// every other file declares.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	knots := flag.Bool("knots", false, "print which symbols tie the files of each knot together")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: layout [-knots] <directory of the project>")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	violations, err := run(os.Stdout, flag.Arg(0), *knots)
	if err != nil {
		fmt.Fprintln(os.Stderr, "layout:", err)
		os.Exit(1)
	}
	for _, v := range violations {
		fmt.Fprintln(os.Stderr, "layout:", v)
	}
	if len(violations) > 0 {
		os.Exit(1)
	}
}

// run prints the figures of the project in dir and returns what is beyond a limit.
func run(w io.Writer, dir string, arrows bool) ([]string, error) {
	packages, err := measure(dir)
	if err != nil {
		return nil, err
	}
	forbidden, err := forbiddenDependencies(dir)
	if err != nil {
		return nil, err
	}
	if err := printTable(w, packages); err != nil {
		return nil, err
	}
	for _, p := range packages {
		printKnots(w, p, arrows)
	}
	var violations []string
	for _, p := range packages {
		violations = append(violations, p.violations()...)
	}
	return append(violations, forbidden...), nil
}

func printTable(w io.Writer, packages []figures) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "package\tfiles\tlines\tlargest knot (files)\tlargest type (methods)\tlongest file (lines)")
	for _, p := range packages {
		knot := "-"
		if knots := p.uses.knots(); len(knots) > 0 {
			knot = strconv.Itoa(len(knots[0]))
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", p.name, len(p.files), p.lines(), knot, largest(p.types), largest(p.files))
	}
	return table.Flush()
}

// largest returns the name and the size of the largest, or a dash when none has a size.
func largest(all []sized) string {
	var found sized
	for _, s := range all {
		if s.size > found.size {
			found = s
		}
	}
	if found.size == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %d", found.name, found.size)
}

func printKnots(w io.Writer, p figures, arrows bool) {
	for _, knot := range p.uses.knots() {
		fmt.Fprintf(w, "\n%s, a knot of %d files: %s\n", p.name, len(knot), strings.Join(knot, " "))
		if !arrows {
			continue
		}
		for _, a := range p.uses.arrows(knot) {
			fmt.Fprintf(w, "  %s -> %s: %s\n", a.from, a.to, strings.Join(a.symbols, " "))
		}
	}
}
