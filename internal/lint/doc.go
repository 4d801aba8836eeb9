// Package lint holds the layering of this repository in a test: which package may
// import which, and what no package may do. The rules are data (rules_test.go); a
// broken one is reported with its file, its line and the reason for the rule.
package lint
