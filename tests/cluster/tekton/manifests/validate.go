package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
)

// A Problem is one objection of Tekton's to one object.
type Problem struct {
	// Index is the object's place in the list that was given.
	Index int `json:"index"`
	// Field is where in the object; empty where Tekton doesn't say.
	Field   string `json:"field"`
	Message string `json:"message"`
}

// A kind is one of Tekton's that its webhook defaults and validates.
type kind interface {
	apis.Defaultable
	apis.Validatable
}

// kinds has what we write, in the versions we write it in: those that the custom resources are stored as.
var kinds = map[string]func() kind{
	"tekton.dev/v1/Task":            func() kind { return &v1.Task{} },
	"tekton.dev/v1/TaskRun":         func() kind { return &v1.TaskRun{} },
	"tekton.dev/v1/Pipeline":        func() kind { return &v1.Pipeline{} },
	"tekton.dev/v1/PipelineRun":     func() kind { return &v1.PipelineRun{} },
	"tekton.dev/v1beta1/StepAction": func() kind { return &v1beta1.StepAction{} },
}

// validate says what Tekton's webhook would object to on creation of each object. Objects of other groups are passed
// over; one of Tekton's that isn't known here is a problem itself.
func validate(objects []json.RawMessage) []Problem {
	problems := []Problem{}
	for index, object := range objects {
		for _, problem := range objections(object) {
			problem.Index = index
			problems = append(problems, problem)
		}
	}
	return problems
}

func objections(text json.RawMessage) []Problem {
	var meta metav1.PartialObjectMetadata
	if err := json.Unmarshal(text, &meta); err != nil {
		return []Problem{{Message: fmt.Sprintf("this is no object: %v", err)}}
	}
	group, _, _ := strings.Cut(meta.APIVersion, "/")
	if group != "tekton.dev" {
		return nil
	}
	newKind, known := kinds[meta.APIVersion+"/"+meta.Kind]
	if !known {
		return []Problem{{Field: "apiVersion", Message: fmt.Sprintf("%s %s is none of ours", meta.APIVersion, meta.Kind)}}
	}
	text, err := named(text, &meta)
	if err != nil {
		return []Problem{{Field: "metadata", Message: err.Error()}}
	}
	object := newKind()
	decoder := json.NewDecoder(bytes.NewReader(text))
	// As cmd/webhook has it: a field that Tekton doesn't know is a mistake.
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(object); err != nil {
		return []Problem{{Message: err.Error()}}
	}
	ctx := apis.WithinCreate(context.Background())
	object.SetDefaults(ctx)
	return flatten(object.Validate(ctx))
}

// named gives an object with generateName the name that the API server would, before it asks the webhook.
func named(text json.RawMessage, meta *metav1.PartialObjectMetadata) (json.RawMessage, error) {
	if meta.Name != "" || meta.GenerateName == "" {
		return text, nil
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata is no object")
	}
	metadata["name"] = meta.GenerateName + "abcde"
	return json.Marshal(object)
}

// flatten gives one problem for each path of each error. A warning counts: nothing of ours should be warned about.
func flatten(objections *apis.FieldError) []Problem {
	if objections == nil {
		return nil
	}
	var problems []Problem
	for _, objection := range objections.WrappedErrors() {
		message := objection.Message
		if objection.Details != "" {
			message += ": " + objection.Details
		}
		for _, path := range objection.Paths {
			problems = append(problems, Problem{Field: path, Message: message})
		}
		if len(objection.Paths) == 0 {
			problems = append(problems, Problem{Message: message})
		}
	}
	return problems
}
