package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A verdict is what all of them make of one document.
type verdict struct {
	Kubelet             kubeletVerdict `json:"kubelet"`
	ContainersImage     [][]finding    `json:"containersImage"`
	GoContainerRegistry [][]finding    `json:"goContainerRegistry"`
	Plain               plainReading   `json:"plain"`
}

// A credential is what a program would log in with.
type credential struct {
	Username      []byte `json:"username"`
	Password      []byte `json:"password"`
	IdentityToken string `json:"identityToken"`
}

func newCredential(username, password, identityToken string) *credential {
	return &credential{[]byte(username), []byte(password), identityToken}
}

// A finding is what a program finds for one image: a credential, or none, or why it can't tell.
type finding struct {
	// Refusal is empty, or one of "document" (it is rejected as a whole), "auth" (the chosen entry's auth doesn't decode),
	// "helper" (another program is to be asked, and there is none), "image" (it can't read the image's name).
	Refusal    string      `json:"refusal,omitempty"`
	Credential *credential `json:"credential,omitempty"`
}

// The readers of files get the document as one, in a directory that has nothing else.
type readers struct {
	directory string
	// file is the document.
	file string
	// system is an empty configuration of containers/image, beside which there is no directory of more.
	system string
}

func newReaders() (*readers, error) {
	// In memory, where there is such a place: it is written thousands of times.
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	directory, err := os.MkdirTemp(parent, "verdict-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a directory for the documents: %w", err)
	}
	readers := &readers{
		directory: directory,
		file:      filepath.Join(directory, "auth.json"),
		system:    filepath.Join(directory, "registries.conf"),
	}
	// containers/image insists on the file where it is told of one.
	if err := os.WriteFile(readers.system, nil, 0o600); err != nil {
		return nil, fmt.Errorf("cannot write an empty configuration: %w", err)
	}
	// Nothing of this machine shall be found: no configuration, and no credential helper.
	for name, value := range map[string]string{
		"HOME": directory, "XDG_CONFIG_HOME": directory, "XDG_RUNTIME_DIR": directory, "DOCKER_CONFIG": directory,
		"REGISTRY_AUTH_FILE": readers.file, "PATH": directory,
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return readers, nil
}

func (r *readers) close() {
	_ = os.RemoveAll(r.directory)
}

func (r *readers) read(asked *question) (*verdict, error) {
	if err := os.WriteFile(r.file, asked.Document, 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the document: %w", err)
	}
	kubelet, err := askKubelet(asked.Document, asked.Images)
	if err != nil {
		return nil, err
	}
	answer := &verdict{Kubelet: kubelet, Plain: readPlainly(asked.Document)}
	for _, image := range asked.Images {
		answer.ContainersImage = append(answer.ContainersImage, several(asked.Attempts, func() finding {
			return r.askContainersImage(image)
		}))
		answer.GoContainerRegistry = append(answer.GoContainerRegistry, several(asked.Attempts, func() finding {
			return askGoContainerRegistry(image)
		}))
	}
	return answer, nil
}

// several asks often and keeps each different answer once.
func several(attempts int, ask func() finding) []finding {
	var answers []finding
	for range max(attempts, 1) {
		answer := ask()
		if !slices.ContainsFunc(answers, answer.equals) {
			answers = append(answers, answer)
		}
	}
	return answers
}

func (f finding) equals(other finding) bool {
	if f.Credential == nil || other.Credential == nil {
		return f.Refusal == other.Refusal && f.Credential == other.Credential
	}
	return bytes.Equal(f.Credential.Username, other.Credential.Username) &&
		bytes.Equal(f.Credential.Password, other.Credential.Password) &&
		f.Credential.IdentityToken == other.Credential.IdentityToken
}
