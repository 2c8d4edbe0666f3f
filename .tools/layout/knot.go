package main

import (
	"cmp"
	"go/ast"
	"go/types"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

// A graph says which symbols of another file of its package each file uses:
// graph[from][to] is the set of symbols that to declares.
type graph map[string]map[string]map[string]bool

// An arrow leads from a file to one that declares the symbols that it uses.
type arrow struct {
	from, to string
	symbols  []string
}

// usesOf returns the graph of the package's files. Methods and fields are among
// the uses, also those of a generic type and those that a selection promotes.
func usesOf(p *packages.Package) graph {
	g := make(graph)
	owner := owners(p)
	use := func(id *ast.Ident, obj types.Object) {
		if obj == nil || obj.Pkg() != p.Types || !obj.Pos().IsValid() {
			return
		}
		from := filepath.Base(p.Fset.PositionFor(id.Pos(), false).Filename)
		to := filepath.Base(p.Fset.PositionFor(obj.Pos(), false).Filename)
		if from != to {
			g.add(from, to, symbol(obj, owner))
		}
	}
	for id, obj := range p.TypesInfo.Uses {
		use(id, obj)
	}
	for sel, selection := range p.TypesInfo.Selections {
		use(sel.Sel, selection.Obj())
	}
	return g
}

func (g graph) add(from, to, symbol string) {
	if g[from] == nil {
		g[from] = make(map[string]map[string]bool)
	}
	if g[from][to] == nil {
		g[from][to] = make(map[string]bool)
	}
	g[from][to][symbol] = true
}

// symbol returns the object's name, with that of its type for a method or a field.
func symbol(obj types.Object, owner map[types.Object]string) string {
	switch o := obj.(type) {
	case *types.Var:
		if name := owner[o.Origin()]; name != "" {
			return name + "." + o.Name()
		}
	case *types.Func:
		if recv := o.Signature().Recv(); recv != nil {
			t := recv.Type()
			if pointer, ok := t.(*types.Pointer); ok {
				t = pointer.Elem()
			}
			if named, ok := t.(*types.Named); ok {
				return named.Obj().Name() + "." + o.Name()
			}
		}
	}
	return obj.Name()
}

// owners returns for each field of a struct type of the package the name of the
// type, which an object of a field does not know.
func owners(p *packages.Package) map[types.Object]string {
	owner := make(map[types.Object]string)
	for _, file := range p.Syntax {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			ast.Inspect(spec.Type, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					if v, ok := p.TypesInfo.Defs[id].(*types.Var); ok && v.IsField() {
						owner[v] = spec.Name.Name
					}
				}
				return true
			})
			return true
		})
	}
	return owner
}

// knots returns the strongly connected components of more than one file, the
// largest first.
func (g graph) knots() (all [][]string) {
	reached := make(map[string]map[string]bool)
	for file := range g {
		reached[file] = g.reach(file)
	}
	done := make(map[string]bool)
	for _, file := range slices.Sorted(maps.Keys(g)) {
		if done[file] || !reached[file][file] {
			continue
		}
		var knot []string
		for other := range reached[file] {
			if reached[other][file] {
				knot = append(knot, other)
				done[other] = true
			}
		}
		slices.Sort(knot)
		all = append(all, knot)
	}
	slices.SortStableFunc(all, func(a, b []string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// reach returns the files that the arrows from file lead to, through others or directly.
func (g graph) reach(file string) map[string]bool {
	seen := make(map[string]bool)
	todo := []string{file}
	for len(todo) > 0 {
		last := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for to := range g[last] {
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// arrows returns the arrows between the given files, in order.
func (g graph) arrows(files []string) (all []arrow) {
	for _, from := range files {
		for _, to := range files {
			if symbols := g[from][to]; len(symbols) > 0 {
				all = append(all, arrow{from, to, slices.Sorted(maps.Keys(symbols))})
			}
		}
	}
	return all
}
