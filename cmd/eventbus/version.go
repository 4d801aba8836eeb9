package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/seed-28af575d/eventbus/cmd/eventbus/internal/demo"
)

// versionCommand is "eventbus version".
type versionCommand struct{}

func (*versionCommand) run(_ context.Context, s streams) int {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if _, err := fmt.Fprintln(s.out, versionText(info)); err != nil {
		return demo.StatusFault
	}
	return demo.StatusGood
}

// versionText tells what was built, from which sources, and with what.
func versionText(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "(unknown)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	text := "eventbus " + version
	if revision := settings["vcs.revision"]; revision != "" {
		text += " " + revision[:min(len(revision), 12)]
		if settings["vcs.modified"] == "true" {
			text += " (modified)"
		}
	}
	return fmt.Sprintf("%s, %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
