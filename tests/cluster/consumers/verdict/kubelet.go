package main

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// kubeletVerdict is what the kubelet makes of a document.
type kubeletVerdict struct {
	// Refused: it has no credentials from this Secret, whatever the image.
	Refused bool `json:"refused"`
	// Entries are all that it reads.
	Entries []entry `json:"entries"`
	// Lookups has the credentials that it tries for each image, in its order. It adds the entries of one registry in the
	// order of a Go map, which is none: those are together in one group.
	Lookups [][][]entry `json:"lookups"`
}

// An entry is a member of auths, as the kubelet reads it. What is base64 in an entry need not be text.
type entry struct {
	Key      string `json:"key"`
	Username []byte `json:"username"`
	Password []byte `json:"password"`
}

func newEntry(key string, read credentialprovider.DockerConfigEntry) entry {
	return entry{Key: key, Username: []byte(read.Username), Password: []byte(read.Password)}
}

// askKubelet goes the kubelet's way: the Secret as an imagePullSecret, the image's name as ParseImageName has it. An error
// means that the groups are not those of the keyring.
func askKubelet(document []byte, images []string) (kubeletVerdict, error) {
	secret := v1.Secret{
		Type: v1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{v1.DockerConfigJsonKey: document},
	}
	keyring, err := secrets.MakeDockerKeyring([]v1.Secret{secret}, nil)
	if err != nil || keyring == nil {
		return kubeletVerdict{Refused: true}, nil
	}
	var config credentialprovider.DockerConfigJSON
	if err := json.Unmarshal(document, &config); err != nil {
		return kubeletVerdict{}, fmt.Errorf("a document that the kubelet reads could not be read again: %w", err)
	}
	grouping := newGrouping(config.Auths)
	answer := kubeletVerdict{Entries: []entry{}, Lookups: [][][]entry{}}
	for key, read := range config.Auths {
		answer.Entries = append(answer.Entries, newEntry(key, read))
	}
	for _, image := range images {
		name, _, _, err := parsers.ParseImageName(image)
		if err != nil {
			return kubeletVerdict{}, fmt.Errorf("the image %q is none for the kubelet: %w", image, err)
		}
		found, _ := keyring.Lookup(name)
		groups := grouping.of(name)
		if !isInGroups(found, groups) {
			return kubeletVerdict{}, fmt.Errorf("for %s the keyring has %d credentials, which are not those of %v", name, len(found), groups)
		}
		answer.Lookups = append(answer.Lookups, groups)
	}
	return answer, nil
}

// A grouping tells which entries the kubelet finds, and which of them it takes for one registry. It has two keyrings that
// hold the entries' keys instead of user names, added one by one in opposite orders: what changes places is one registry.
type grouping struct {
	entries           credentialprovider.DockerConfig
	rising, declining *credentialprovider.BasicDockerKeyring
}

func newGrouping(entries credentialprovider.DockerConfig) grouping {
	keys := make([]string, 0, len(entries))
	for key := range entries {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	keyring := func() *credentialprovider.BasicDockerKeyring {
		keyring := &credentialprovider.BasicDockerKeyring{}
		for _, key := range keys {
			keyring.Add(nil, credentialprovider.DockerConfig{key: {Username: key}})
		}
		return keyring
	}
	rising := keyring()
	slices.Reverse(keys)
	return grouping{entries: entries, rising: rising, declining: keyring()}
}

func (g grouping) of(image string) [][]entry {
	rising, _ := g.rising.Lookup(image)
	declining, _ := g.declining.Lookup(image)
	groups := [][]entry{}
	var group []entry
	open := map[string]int{}
	for i, found := range rising {
		key := found.Username
		group = append(group, newEntry(key, g.entries[key]))
		count(open, key, 1)
		count(open, declining[i].Username, -1)
		// The same keys up to here, in either order: the group is whole.
		if len(open) == 0 {
			groups = append(groups, group)
			group = nil
		}
	}
	return groups
}

func count(open map[string]int, key string, change int) {
	if open[key] += change; open[key] == 0 {
		delete(open, key)
	}
}

func isInGroups(found []credentialprovider.TrackedAuthConfig, groups [][]entry) bool {
	for _, group := range groups {
		if len(found) < len(group) {
			return false
		}
		open := map[string]int{}
		for i, entry := range group {
			count(open, fmt.Sprintf("%q %q", entry.Username, entry.Password), 1)
			count(open, fmt.Sprintf("%q %q", found[i].Username, found[i].Password), -1)
		}
		if len(open) != 0 {
			return false
		}
		found = found[len(group):]
	}
	return len(found) == 0
}
