#!/usr/bin/env bash
# For a script that deploys: ensures the pull secret for one image and prints the outcome. Exit code 0: deploy.
# deploy.sh NAMESPACE IMAGE. Needs jq, and kubectl 1.31 or newer, or an oc of the same age.
set -euo pipefail
namespace=${1-}
image=${2-}
if [[ -z $namespace || -z $image ]]; then
  echo 'usage: deploy.sh NAMESPACE IMAGE' >&2
  exit 64
fi
# A list could be empty, and Tekton replaces what begins with `$(`.
if [[ $image == *[[:space:],]* || $image == *'$('* ]]; then
  echo 'deploy.sh: IMAGE must be an image reference, for example registry.example.com/team/model:1.0' >&2
  exit 64
fi

# Both values come from outside: jq writes them as JSON strings, so they can't add anything to the object.
run=$(
  jq -n --arg namespace "$namespace" --arg image "$image" '{
    apiVersion: "tekton.dev/v1",
    kind: "TaskRun",
    metadata: {generateName: "ensure-pull-secret-", namespace: $namespace},
    spec: {
      serviceAccountName: "ensure-pull-secret",
      taskRef: {kind: "Task", name: "ensure-pull-secret"},
      timeout: "5m",
      podTemplate: {enableServiceLinks: false},
      params: [{name: "IMAGE", value: $image}]
    }
  }' | kubectl create --output name --filename -
)
# completionTime is set after success and after failure.
kubectl wait --namespace="$namespace" --for=jsonpath='{.status.completionTime}' --timeout=6m "$run" >/dev/null

result() {
  kubectl get --namespace="$namespace" "$run" --output "jsonpath={.status.results[?(@.name==\"$1\")].value}"
}
status=$(result STATUS)
if [[ -z $status ]]; then
  # The pod never ran: Tekton's own message has the cause.
  kubectl get --namespace="$namespace" "$run" --output 'jsonpath={.status.conditions[0].message}{"\n"}' >&2
  exit 1
fi
printf '%s %s: %s\n' "$status" "$(result REASON)" "$(result MESSAGE)"
[[ $status == SUCCESS || $status == WARNING ]]
