package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	_ "unsafe" // For linkname.

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	_ "go.podman.io/image/v5/docker"
)

// A challengeReading is of one WWW-Authenticate header: the first challenge in it, with names in lower case.
type challengeReading struct {
	Scheme     string            `json:"scheme"`
	Parameters map[string]string `json:"parameters"`
}

type challengeReadings struct {
	ContainersImage     challengeReading `json:"containersImage"`
	GoContainerRegistry challengeReading `json:"goContainerRegistry"`
}

//go:linkname containersImageChallenge go.podman.io/image/v5/docker.parseValueAndParams
func containersImageChallenge(header string) (string, map[string]string)

// readChallenge gives the header to both: to containers/image's parser, which it doesn't export, and to a registry's answer in
// go-containerregistry.
func readChallenge(header string) (challengeReadings, error) {
	var readings challengeReadings
	scheme, parameters := containersImageChallenge(header)
	readings.ContainersImage = challengeReading{scheme, parameters}
	registry, err := name.NewRegistry("registry.test")
	if err != nil {
		return readings, err
	}
	answer := func(request *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusUnauthorized,
			Header:     http.Header{"Www-Authenticate": {header}},
			Body:       io.NopCloser(strings.NewReader("")),
			Request:    request,
		}, nil
	}
	found, err := transport.Ping(context.Background(), registry, roundTripper(answer))
	if err != nil {
		return readings, err
	}
	readings.GoContainerRegistry = challengeReading{strings.ToLower(found.Scheme), found.Parameters}
	if found.Parameters == nil {
		readings.GoContainerRegistry.Parameters = map[string]string{}
	}
	return readings, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (answer roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	return answer(request)
}
