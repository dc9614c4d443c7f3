package main

import (
	dockerref "github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
	"go.podman.io/image/v5/docker/reference"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// A reading is an image reference taken apart; all of it is empty where the program refuses the text.
type reading struct {
	Refused bool `json:"refused"`
	// Name is registry and repository, as credentials are looked up by.
	Name string `json:"name"`
	// Domain is the registry; empty where the program takes all of the name for a repository.
	Domain string `json:"domain"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// readings are those of each program.
type readings struct {
	Kubelet             reading `json:"kubelet"`
	ContainersImage     reading `json:"containersImage"`
	GoContainerRegistry reading `json:"goContainerRegistry"`
}

func readReference(text string) readings {
	return readings{
		Kubelet:             readAsKubelet(text),
		ContainersImage:     readAsContainersImage(text),
		GoContainerRegistry: readAsGoContainerRegistry(text),
	}
}

func readAsKubelet(text string) reading {
	repository, tag, digest, err := parsers.ParseImageName(text)
	if err != nil {
		return reading{Refused: true}
	}
	// Of the same text by the same package, but for what ParseImageName doesn't give.
	named, err := dockerref.ParseNormalizedNamed(text)
	if err != nil {
		return reading{Refused: true}
	}
	return reading{Name: repository, Domain: dockerref.Domain(named), Tag: tag, Digest: digest}
}

func readAsContainersImage(text string) reading {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return reading{Refused: true}
	}
	read := reading{Name: named.Name(), Domain: reference.Domain(named)}
	// As docker.NewReference has it.
	named = reference.TagNameOnly(named)
	if tagged, ok := named.(reference.Tagged); ok {
		read.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		read.Digest = digested.Digest().String()
	}
	return read
}

func readAsGoContainerRegistry(text string) reading {
	parsed, err := name.ParseReference(text)
	if err != nil {
		return reading{Refused: true}
	}
	read := reading{Name: parsed.Context().Name(), Domain: parsed.Context().RegistryStr()}
	switch parsed := parsed.(type) {
	case name.Tag:
		read.Tag = parsed.TagStr()
	case name.Digest:
		read.Digest = parsed.DigestStr()
	}
	return read
}
