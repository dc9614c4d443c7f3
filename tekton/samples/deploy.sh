#!/usr/bin/env bash
# For a script that deploys: makes the pull secret right for one image, and says how it ended. Exit code 0: go on.
# deploy.sh NAMESPACE IMAGE. Needs kubectl 1.31 or newer, or an oc of the same age.
set -euo pipefail
namespace=$1
image=$2

run=$(
  kubectl create --namespace "$namespace" --output name --filename - <<YAML
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
  params:
  - name: IMAGE
    value: "$image"
YAML
)
# The end, good or bad: a condition alone would be waited for in vain where it ends the other way.
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
echo "$status $(result REASON): $(result MESSAGE)"
[[ $status == SUCCESS || $status == WARNING ]]
