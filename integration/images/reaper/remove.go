package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/moby/moby/client"
)

// remove removes what carries all the labels: containers with their own volumes
// first, for networks and volumes are held by them.
func remove(ctx context.Context, docker *client.Client, labels []string) error {
	labelled := make(client.Filters).Add("label", labels...)
	var all error
	note := func(what, name string, err error) {
		if err != nil {
			all = errors.Join(all, fmt.Errorf("remove %s %s: %w", what, name, err))
		}
	}
	containers, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: labelled})
	note("containers", "by label", err)
	for _, c := range containers.Items {
		_, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		note("container", c.ID, err)
	}
	networks, err := docker.NetworkList(ctx, client.NetworkListOptions{Filters: labelled})
	note("networks", "by label", err)
	for _, n := range networks.Items {
		_, err := docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		note("network", n.Name, err)
	}
	volumes, err := docker.VolumeList(ctx, client.VolumeListOptions{Filters: labelled})
	note("volumes", "by label", err)
	for _, v := range volumes.Items {
		_, err := docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
		note("volume", v.Name, err)
	}
	return all
}
