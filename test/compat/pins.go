package main

import (
	"fmt"
	"slices"
	"strings"

	"outrigger.dev/outrigger/test/envoy"
)

// older chooses all versions but the default one.
const older = "older"

// parsePins returns the versions of a file of pins, each once, in its order: the first is the default.
func parsePins(text string) ([]envoy.Release, error) {
	var pins []envoy.Release
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		version, err := envoy.ParseRelease(fields[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pinsFile, err)
		}
		if !slices.Contains(pins, version) {
			pins = append(pins, version)
		}
	}
	if len(pins) == 0 {
		return nil, fmt.Errorf("%s pins nothing", pinsFile)
	}
	return pins, nil
}

// choose returns the pinned versions that a text asks for.
func choose(pins []envoy.Release, text string) ([]envoy.Release, error) {
	switch text {
	case "":
		return pins, nil
	case older:
		return pins[1:], nil
	}
	var versions []envoy.Release
	for field := range strings.FieldsSeq(text) {
		version, err := envoy.ParseRelease(field)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(pins, version) {
			return nil, fmt.Errorf("version %s is not pinned: add it to %s", version, pinsFile)
		}
		versions = append(versions, version)
	}
	return versions, nil
}
