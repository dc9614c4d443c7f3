// The checks of manifests that need Tekton's and kustomize's own code.
package main

import (
	_ "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	_ "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	_ "sigs.k8s.io/kustomize/api/krusty"
)

func main() {}
