package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/kubernetes/pkg/credentialprovider"
)

// plainReading is the document as a reader takes it that, unlike Go's decoder, minds the case of names and lets the first of
// two members win.
type plainReading struct {
	// Entries under "auths" of which such a reader gets a credential, maybe an empty one.
	Entries []entry `json:"entries"`
	// Keys under "auths".
	Keys []string `json:"keys"`
	// Collides: somewhere a name is there twice but for case, or a name that clients know is spelled in another case.
	Collides bool `json:"collides"`
}

// A member is one of an object, in the object's order.
type member struct {
	name  string
	value json.RawMessage
}

// readPlainly reads what it can; of anything that is no object there are no members.
func readPlainly(document []byte) plainReading {
	reading := plainReading{Entries: []entry{}, Keys: []string{}}
	top, err := members(document)
	if err != nil {
		return reading
	}
	entries, err := members(first(top, "auths"))
	if err != nil {
		entries = nil
	}
	for _, member := range entries {
		reading.Keys = append(reading.Keys, member.name)
	}
	reading.Collides = collide(top, "auths", "credHelpers", "credsStore") || collide(entries)
	known := []string{"auth", "username", "password", "identitytoken", "registrytoken"}
	// Where the wrapper is missing, what looks like an entry at the top may be one.
	for _, candidate := range append(entries, top...) {
		inner, err := members(candidate.value)
		reading.Collides = reading.Collides || (err == nil && collide(inner, known...))
	}
	seen := map[string]bool{}
	for _, member := range entries {
		if seen[member.name] {
			continue
		}
		seen[member.name] = true
		if read, ok := plainEntry(member); ok {
			reading.Entries = append(reading.Entries, read)
		}
	}
	return reading
}

// plainEntry lets the kubelet decode the three members by which an entry is meant, in their right case.
func plainEntry(of member) (entry, bool) {
	var meant []string
	inner, err := members(of.value)
	if err != nil && string(of.value) != "null" {
		return entry{}, false
	}
	for _, name := range []string{"username", "password", "auth"} {
		if value := first(inner, name); value != nil {
			meant = append(meant, fmt.Sprintf("%q:%s", name, value))
		}
	}
	var decoded credentialprovider.DockerConfigEntry
	if err := json.Unmarshal([]byte("{"+strings.Join(meant, ",")+"}"), &decoded); err != nil {
		return entry{}, false
	}
	return newEntry(of.name, decoded), true
}

func first(members []member, name string) json.RawMessage {
	for _, member := range members {
		if member.name == name {
			return member.value
		}
	}
	return nil
}

func collide(members []member, known ...string) bool {
	for i, member := range members {
		for _, earlier := range members[:i] {
			if strings.EqualFold(member.name, earlier.name) {
				return true
			}
		}
		for _, usual := range known {
			if strings.EqualFold(member.name, usual) && member.name != usual {
				return true
			}
		}
	}
	return false
}

// members reads an object token by token, so that none is lost.
func members(object []byte) ([]member, error) {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("this is no object")
	}
	var found []member
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		text, ok := name.(string)
		if !ok {
			return nil, fmt.Errorf("a member has no name")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		found = append(found, member{text, value})
	}
	return found, nil
}
