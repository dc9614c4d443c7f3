package main

import (
	"context"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/tektoncd/pipeline/pkg/resolution/resolver/bundle"
)

// An Entry is one object of a bundle, as Tekton's resolver gives it to a run.
type Entry struct {
	Data        string            `json:"data"`
	Annotations map[string]string `json:"annotations"`
	URI         string            `json:"uri"`
	Digest      map[string]string `json:"digest"`
}

// resolve does what the bundle resolver does for a taskRef, without credentials.
func resolve(reference, kind, name string) (*Entry, error) {
	options := bundle.RequestOptions{Bundle: reference, Kind: kind, EntryName: name}
	resolved, err := bundle.GetEntry(context.Background(), authn.DefaultKeychain, options)
	if err != nil {
		return nil, err
	}
	source := resolved.RefSource()
	return &Entry{
		Data:        string(resolved.Data()),
		Annotations: resolved.Annotations(),
		URI:         source.URI,
		Digest:      source.Digest,
	}, nil
}
