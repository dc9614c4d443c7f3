package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/types"
)

// askContainersImage asks as skopeo and buildah do with --authfile.
func (r *readers) askContainersImage(image string) finding {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return finding{Refusal: "image"}
	}
	found, err := config.GetCredentialsForRef(&types.SystemContext{
		AuthFilePath:                r.file,
		SystemRegistriesConfPath:    r.system,
		SystemRegistriesConfDirPath: r.system + ".d",
	}, named)
	if err != nil {
		return finding{Refusal: kindOf(err)}
	}
	if found == (types.DockerAuthConfig{}) {
		return finding{}
	}
	return finding{Credential: newCredential(found.Username, found.Password, found.IdentityToken)}
}

// askGoContainerRegistry asks as crane does; REGISTRY_AUTH_FILE names the file.
func askGoContainerRegistry(image string) finding {
	parsed, err := name.ParseReference(image)
	if err != nil {
		return finding{Refusal: "image"}
	}
	authenticator, err := authn.DefaultKeychain.Resolve(parsed.Context())
	switch {
	case err != nil && kindOf(err) == "helper":
		return finding{Refusal: "helper"}
	case err != nil:
		// It decodes every auth as it reads: one that doesn't spoils the whole.
		return finding{Refusal: "document"}
	}
	found, err := authenticator.Authorization()
	if err != nil {
		return finding{Refusal: err.Error()}
	}
	if *found == (authn.AuthConfig{}) {
		return finding{}
	}
	return finding{Credential: newCredential(found.Username, found.Password, found.IdentityToken)}
}

// kindOf sorts the errors. What it doesn't know is none of the kinds that are agreed, so that whoever asked stops.
func kindOf(err error) string {
	var corrupt base64.CorruptInputError
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case strings.Contains(err.Error(), "docker-credential-"):
		return "helper"
	case errors.As(err, &corrupt):
		return "auth"
	case errors.As(err, &syntax), errors.As(err, &wrongType), errors.Is(err, io.ErrUnexpectedEOF):
		return "document"
	default:
		return err.Error()
	}
}
