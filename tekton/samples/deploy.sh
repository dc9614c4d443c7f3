#!/usr/bin/env bash
# For a script that deploys: ensures the pull secret for one image and prints the outcome. Exit code 0: deploy.
# deploy.sh NAMESPACE IMAGE. Needs kubectl 1.31 or newer, or an oc of the same age.
set -euo pipefail
# In other locales a-z has more letters.
LC_ALL=C
namespace=${1-}
image=${2-}

# Both come from outside. In these characters nothing ends the YAML string below, and Tekton replaces nothing.
if [[ ! $namespace =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]]; then
  echo 'deploy.sh: NAMESPACE must be the name of a namespace' >&2
  exit 64
fi
if [[ ! $image =~ ^[][a-zA-Z0-9._:/@+-]+$ ]]; then
  echo 'deploy.sh: IMAGE must be one image reference, for example registry.example.com/team/model:1.0' >&2
  exit 64
fi

run=$(
  printf '
apiVersion: tekton.dev/v1
kind: TaskRun
metadata:
  generateName: ensure-pull-secret-
spec:
  serviceAccountName: ensure-pull-secret
  taskRef:
    kind: Task
    name: ensure-pull-secret
  timeout: 5m
  podTemplate:
    enableServiceLinks: false
  params:
  - name: IMAGE
    value: "%s"
' "$image" | kubectl create --namespace "$namespace" --output name --filename -
)
# completionTime is set after success and failure; a condition would be awaited in vain if the run ends the other way.
kubectl wait --namespace "$namespace" --for=jsonpath='{.status.completionTime}' --timeout=6m "$run" >/dev/null

result() {
  kubectl get --namespace "$namespace" "$run" --output "jsonpath={.status.results[?(@.name==\"$1\")].value}"
}
status=$(result STATUS)
if [[ -z $status ]]; then
  # No result at all: the pod never ran, and Tekton's own message says why.
  kubectl get --namespace "$namespace" "$run" --output 'jsonpath={.status.conditions[0].message}{"\n"}' >&2
  exit 1
fi
printf '%s %s: %s\n' "$status" "$(result REASON)" "$(result MESSAGE)"
[[ $status == SUCCESS || $status == WARNING ]]
