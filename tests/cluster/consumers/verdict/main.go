// Command verdict says what the programs that use a pull secret make of it, by their own code: the kubelet's credential
// provider, containers/image (skopeo, buildah, podman, CRI-O) and go-containerregistry (crane). It judges nothing itself.
//
// It reads one question a line on standard input and writes one answer a line on standard output, both JSON:
//
//	{"document": BASE64, "images": [IMAGE...], "attempts": N}   who finds what in the document, for each image
//	{"reference": TEXT}                                         how each reads an image reference
//	{"proxy": {...}}                                            whether Go's clients use a proxy for a host
//	{"challenge": TEXT}                                         how each reads a WWW-Authenticate header
//	{"certificate": {...}}                                      a server, and what Go's clients make of its certificate
//
// Where a program goes through a map, its answer differs from one time to the next: N is how often it is asked, and the
// answer has every different one.
package main

import (
	"bufio"
	"crypto"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// A question is about a document, or about the one other thing that is set.
type question struct {
	Document    []byte               `json:"document"`
	Images      []string             `json:"images"`
	Attempts    int                  `json:"attempts"`
	Reference   *string              `json:"reference"`
	Proxy       *proxyQuestion       `json:"proxy"`
	Certificate *certificateQuestion `json:"certificate"`
	Challenge   *string              `json:"challenge"`
}

func main() {
	// Both warn of entries that they pass over; the answer says it.
	logrus.SetOutput(io.Discard)
	err := silenceKlog()
	if err == nil {
		err = run(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
}

func silenceKlog() error {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	klog.SetOutput(io.Discard)
	// Errors go to standard error as well, unless told otherwise.
	return errors.Join(flags.Set("logtostderr", "false"), flags.Set("stderrthreshold", "FATAL"))
}

func run(input io.Reader, output io.Writer) error {
	readers, err := newReaders()
	if err != nil {
		return err
	}
	defer readers.close()
	servers := certificates{keys: make(map[string]crypto.Signer)}
	defer servers.close()
	lines := bufio.NewReader(input)
	answers := bufio.NewWriter(output)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read a question: %w", err)
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			return fmt.Errorf("cannot understand a question: %w", err)
		}
		var answer any
		switch {
		case asked.Reference != nil:
			answer = readReference(*asked.Reference)
		case asked.Proxy != nil:
			answer, err = asked.Proxy.answer()
		case asked.Challenge != nil:
			answer, err = readChallenge(*asked.Challenge)
		case asked.Certificate != nil:
			answer, err = servers.answer(asked.Certificate)
		default:
			answer, err = readers.read(&asked)
		}
		if err != nil {
			return err
		}
		if err := json.NewEncoder(answers).Encode(answer); err != nil {
			return fmt.Errorf("cannot write an answer: %w", err)
		}
		if err := answers.Flush(); err != nil {
			return fmt.Errorf("cannot write an answer: %w", err)
		}
	}
}
