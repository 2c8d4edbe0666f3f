package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const (
	maxKnot         = 6
	maxMethods      = 25
	maxFileLines    = 400
	maxGatewayLines = 1800

	gatewayPackage = "scaler/gateway"
)

// A sized is something with a name that is measured: a file in lines, or a type
// in methods.
type sized struct {
	name string
	size int
}

// figures are the measures of one package.
type figures struct {
	name  string // the import path below the module's, or "." for the module's own
	files []sized
	types []sized
	uses  graph
}

func (p figures) lines() (sum int) {
	for _, f := range p.files {
		sum += f.size
	}
	return sum
}

// violations names each figure of the package that is beyond its limit.
func (p figures) violations() (found []string) {
	for _, knot := range p.uses.knots() {
		if len(knot) > maxKnot {
			found = append(found, fmt.Sprintf("%s: a knot of %d files, the limit is %d", p.name, len(knot), maxKnot))
		}
	}
	for _, t := range p.types {
		if t.size > maxMethods {
			found = append(found, fmt.Sprintf("%s: type %s has %d methods, the limit is %d", p.name, t.name, t.size, maxMethods))
		}
	}
	for _, f := range p.files {
		if f.size > maxFileLines {
			found = append(found, fmt.Sprintf("%s: %s has %d lines, the limit is %d", p.name, f.name, f.size, maxFileLines))
		}
	}
	if isOrBelow(p.name, gatewayPackage) && p.lines() > maxGatewayLines {
		found = append(found, fmt.Sprintf("%s: the package has %d lines, the limit is %d", p.name, p.lines(), maxGatewayLines))
	}
	return found
}

// measure returns the figures of every package of the module in dir.
func measure(dir string) ([]figures, error) {
	loaded, err := load(dir, packages.LoadSyntax|packages.NeedModule, "./...")
	if err != nil {
		return nil, err
	}
	var all []figures
	for _, p := range loaded {
		// A package with tests alone has no production file.
		if len(p.Syntax) > 0 {
			all = append(all, figuresOf(p))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no Go package in %s", dir)
	}
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}

func figuresOf(p *packages.Package) figures {
	f := figures{name: cmp.Or(strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, p.Module.Path), "/"), "."), uses: usesOf(p)}
	for _, file := range p.Syntax {
		// A position in the file itself: a //line directive does not count.
		name := filepath.Base(p.Fset.PositionFor(file.Package, false).Filename)
		f.files = append(f.files, sized{name, lineCount(p.Fset.File(file.Package))})
	}
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		if t, ok := scope.Lookup(name).(*types.TypeName); ok && !t.IsAlias() {
			f.types = append(f.types, sized{name, methodCount(t.Type())})
		}
	}
	return f
}

// lineCount returns the number of lines of a file. The line table has one more
// entry when the file ends in a newline.
func lineCount(f *token.File) int {
	lines := f.LineCount()
	if f.Size() > 0 && int(f.LineStart(lines)) == f.Base()+f.Size() {
		lines--
	}
	return lines
}

// methodCount returns the number of methods that a type declares itself.
// What it gets from a type that it embeds does not count.
func methodCount(t types.Type) int {
	if i, ok := t.Underlying().(*types.Interface); ok {
		return i.NumExplicitMethods()
	}
	if named, ok := t.(*types.Named); ok {
		return named.NumMethods()
	}
	return 0
}

// forbiddenPrefixes are the import paths that the Terraform provider must not
// depend on: it asks gateways, and contains none.
var forbiddenPrefixes = []string{"github.com/prometheus", "go.opentelemetry.io"}

// forbiddenDependencies names each forbidden package that ./provider depends on.
func forbiddenDependencies(dir string) (found []string, err error) {
	loaded, err := load(dir, packages.NeedName|packages.NeedImports|packages.NeedDeps, "./provider")
	if err != nil {
		return nil, err
	}
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, prefix := range forbiddenPrefixes {
			if isOrBelow(p.PkgPath, prefix) {
				found = append(found, "provider: depends on "+p.PkgPath)
			}
		}
	})
	slices.Sort(found)
	return found, nil
}

// load loads packages of the module in dir, and fails when one of them does not compile.
func load(dir string, mode packages.LoadMode, pattern string) ([]*packages.Package, error) {
	loaded, err := packages.Load(&packages.Config{Mode: mode, Dir: dir, Fset: token.NewFileSet()}, pattern)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, p := range loaded {
		for _, e := range p.Errors {
			errs = append(errs, e)
		}
	}
	return loaded, errors.Join(errs...)
}

func isOrBelow(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
