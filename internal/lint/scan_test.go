package lint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// file is one Go file of the repository.
type file struct {
	path    string // from the repository's root
	module  string // path of the root module
	fset    *token.FileSet
	syntax  *ast.File
	imports map[string]string // import path by the name that the file uses
}

func (f *file) dir() string { return path.Dir(f.path) }
func (f *file) test() bool  { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(n.Pos()).Line)
}

// own returns the directory that an import path of this repository stands for.
func (f *file) own(importPath string) (dir string, ok bool) {
	if importPath == f.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, f.module+"/")
}

// scan parses every Go file but those that the go command would not see either.
func scan(tree fs.FS) ([]*file, error) {
	module, err := modulePath(tree)
	if err != nil {
		return nil, err
	}
	var files []*file
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && ignored(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || ignored(d.Name()) {
			return nil
		}
		f, err := parse(tree, name, module)
		files = append(files, f)
		return err
	})
	return files, err
}

func ignored(name string) bool {
	return name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func modulePath(tree fs.FS) (string, error) {
	text, err := fs.ReadFile(tree, "go.mod")
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if module, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(module), nil
		}
	}
	return "", errors.New("go.mod names no module")
}

func parse(tree fs.FS, name, module string) (*file, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{path: name, module: module, fset: fset, syntax: syntax, imports: map[string]string{}}
	for _, spec := range syntax.Imports {
		importPath := importPath(spec)
		local := path.Base(importPath)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		f.imports[local] = importPath
	}
	return f, nil
}

func importPath(spec *ast.ImportSpec) string {
	s, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser has accepted it, so this does not happen
	}
	return s
}

// called returns the full name of a called function of a package, such as
// time.Sleep, or nothing for other calls.
func (f *file) called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	name, ok := selector.X.(*ast.Ident)
	if !ok || f.imports[name.Name] == "" {
		return ""
	}
	return f.imports[name.Name] + "." + selector.Sel.Name
}
