package lint

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// broken is one breakage of one rule: where, what, which rule, why it is one.
type broken struct{ at, what, rule, why string }

func (b broken) String() string {
	return fmt.Sprintf("%s: %s breaks %q: %s", b.at, b.what, b.rule, b.why)
}

// check holds the files against the rules.
func check(files []*file, layers []layer, bans []ban) []broken {
	var all []broken
	for _, f := range files {
		if !f.test() {
			all = append(all, checkLayer(f, layers)...)
		}
		for _, b := range bans {
			if b.in.holds(f) {
				all = append(all, checkBan(f, b)...)
			}
		}
	}
	return all
}

func checkLayer(f *file, layers []layer) []broken {
	l, found := layerOf(f.dir(), layers)
	if !found {
		return []broken{{
			at: f.path, what: "package " + f.dir(), rule: "every package has a layer",
			why: "name it in internal/lint/rules_test.go, and say what it may import",
		}}
	}
	var all []broken
	for _, spec := range f.syntax.Imports {
		if p := importPath(spec); !l.allows(f, p, layers) {
			all = append(all, broken{f.at(spec), "import " + p, "layer " + l.name, l.why})
		}
	}
	return all
}

func layerOf(dir string, layers []layer) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return matchesAny(dir, l.packages) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

func (l layer) allows(f *file, importPath string, layers []layer) bool {
	dir, own := f.own(importPath)
	switch {
	case !own && standard(importPath):
		return true
	case !own:
		return startsWithAny(importPath, l.foreign)
	}
	return slices.ContainsFunc(l.own, func(pattern string) bool {
		return matches(dir, pattern) && (!strings.HasSuffix(pattern, "/*") || sameLayer(dir, pattern, layers))
	})
}

// sameLayer keeps internal/* from meaning those internal packages that have a layer
// of their own, such as the engine.
func sameLayer(dir, pattern string, layers []layer) bool {
	l, found := layerOf(dir, layers)
	return found && slices.Contains(l.packages, pattern)
}

func (s scope) holds(f *file) bool {
	if f.test() && !s.tests || !f.test() && !s.code {
		return false
	}
	return (len(s.only) == 0 || matchesAny(f.dir(), s.only)) && !matchesAny(f.dir(), s.except)
}

func checkBan(f *file, b ban) []broken {
	var all []broken
	report := func(n ast.Node, what string) { all = append(all, broken{f.at(n), what, b.name, b.why}) }
	for _, spec := range f.syntax.Imports {
		if p := importPath(spec); startsWithAny(p, b.imports) {
			report(spec, "import "+p)
		}
	}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && b.initFunctions && fn.Recv == nil && fn.Name.Name == "init" {
			report(fn, "func init")
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := f.called(call)
		if slices.Contains(b.calls, name) {
			report(call, "call of "+name)
		}
		return !b.inVirtualTime || name != "testing/synctest.Test"
	})
	return all
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func startsWithAny(importPath string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		exact, alone := strings.CutPrefix(p, "=")
		return p == "..." || importPath == exact || !alone && strings.HasPrefix(importPath, p+"/")
	})
}

func matchesAny(dir string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(dir, p) })
}

func matches(dir, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == parent || strings.HasPrefix(dir, parent+"/")
	}
	if parent, ok := strings.CutSuffix(pattern, "/*"); ok {
		child, beneath := strings.CutPrefix(dir, parent+"/")
		return beneath && !strings.Contains(child, "/")
	}
	return dir == pattern
}
