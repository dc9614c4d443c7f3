package main

import (
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// A Rendering is what a directory's kustomization gives: its objects in the order of `kustomize build`, or why there are
// none.
type Rendering struct {
	Directory string           `json:"directory"`
	Objects   []map[string]any `json:"objects,omitempty"`
	Error     string           `json:"error,omitempty"`
}

// render does for each directory what `kustomize build` and `kubectl apply -k` do, with their restrictions: files are
// read from below the kustomization alone, and no plugin is run.
func render(directories []string) []Rendering {
	renderings := make([]Rendering, 0, len(directories))
	for _, directory := range directories {
		rendering := Rendering{Directory: directory}
		objects, err := build(directory)
		if err != nil {
			rendering.Error = err.Error()
		} else {
			rendering.Objects = objects
		}
		renderings = append(renderings, rendering)
	}
	return renderings
}

func build(directory string) ([]map[string]any, error) {
	options := krusty.MakeDefaultOptions()
	// As `kustomize build` has it; the library's own default leaves the order to the kustomization.
	options.Reorder = krusty.ReorderOptionUnspecified
	resources, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return nil, err
	}
	objects := make([]map[string]any, 0, resources.Size())
	for _, resource := range resources.Resources() {
		object, err := resource.Map()
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}
