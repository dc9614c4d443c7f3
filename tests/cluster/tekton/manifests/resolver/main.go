// Command resolver is Tekton's controller of remote resolution with one of its resolvers: that of bundles. The others need
// services outside of the machine.
package main

import (
	"log"
	"os"
	"strconv"

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
	port, err := strconv.Atoi(os.Getenv("PROBES_PORT"))
	if err != nil {
		log.Fatalf("PROBES_PORT is not a port: %v", err)
	}
	// The default port is the one of Tekton's controller.
	ctx = sharedmain.WithHealthProbesDisabled(sharedmain.WithHADisabled(ctx))
	go func() { log.Fatal(injection.ServeHealthProbes(ctx, port)) }()
	sharedmain.MainWithConfig(ctx, "controller", config, framework.NewController(ctx, &bundle.Resolver{}))
}
