// Command manifests reads manifests with the code of those who will read them later: kustomize's own renderer, and
// Tekton's own types and validation, as its admission webhook runs them, and its bundle resolver. It judges nothing else.
//
//	manifests render DIRECTORY...   the objects that each kustomization gives, as a JSON list of {directory, objects, error}
//	manifests validate              reads a JSON list of objects on standard input, and gives a JSON list of
//	                                {index, field, message} on standard output, one for each problem
//	manifests bundle REFERENCE KIND NAME
//	                                an object of a Tekton bundle in a registry, as JSON {data, annotations, uri, digest}
//
// The exit code tells whether the work was done, not whether a problem was found.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

const usage = "usage: manifests render DIRECTORY... | manifests validate <OBJECTS.json | manifests bundle REFERENCE KIND NAME"

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(arguments []string, input io.Reader, output io.Writer) error {
	if len(arguments) == 0 {
		return fmt.Errorf("no command was given\n%s", usage)
	}
	switch command, rest := arguments[0], arguments[1:]; {
	case command == "render" && len(rest) > 0:
		return json.NewEncoder(output).Encode(render(rest))
	case command == "validate" && len(rest) == 0:
		var objects []json.RawMessage
		if err := json.NewDecoder(input).Decode(&objects); err != nil {
			return fmt.Errorf("cannot read a list of objects from standard input: %w", err)
		}
		return json.NewEncoder(output).Encode(validate(objects))
	case command == "bundle" && len(rest) == 3:
		entry, err := resolve(rest[0], rest[1], rest[2])
		if err != nil {
			return err
		}
		return json.NewEncoder(output).Encode(entry)
	default:
		return fmt.Errorf("cannot do %q\n%s", arguments, usage)
	}
}
