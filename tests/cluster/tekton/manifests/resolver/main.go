// Command resolver is Tekton's controller of remote resolution with one of its resolvers: that of bundles. The others need
// services outside of the machine.
package main

import (
	"github.com/tektoncd/pipeline/pkg/apis/resolution/v1alpha1"
	"github.com/tektoncd/pipeline/pkg/remoteresolution/resolver/bundle"
	"github.com/tektoncd/pipeline/pkg/remoteresolution/resolver/framework"
	filteredinformerfactory "knative.dev/pkg/client/injection/kube/informers/factory/filtered"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/signals"
)

// main does what Tekton's cmd/resolvers does.
func main() {
	ctx := filteredinformerfactory.WithSelectors(signals.NewContext(), v1alpha1.ManagedByLabelKey)
	// It parses the flags.
	config := injection.ParseAndGetRESTConfigOrDie()
	ctx = sharedmain.WithHADisabled(ctx)
	sharedmain.MainWithConfig(ctx, "controller", config, framework.NewController(ctx, &bundle.Resolver{}))
}
