package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLabelsOfALine(t *testing.T) {
	require.Equal(t, []string{"a=b", "c=d e"}, labelsOf("label=a=b&label=c=d+e"))
	require.Empty(t, labelsOf(""), "no label would mean everything on the machine")
	require.Empty(t, labelsOf("label="))
	require.Empty(t, labelsOf("name=a"))
}
