# Before each script of the test, after the definitions of the page.

# The page's function starts a Job, and this tier has no kubelet: the test runs the program with the CronJob's
# environment and volumes.
again() { touch again; }

# Applies the user's kustomization.
apply() { kubectl apply -k my-models > /dev/null; }

# Sets a name there.
name() {
  sed -i "/^${1%%=*}=/d" my-models/names.env
  echo "$1" >> my-models/names.env
}

# Changes the CronJob's pod there, with a filter of jq.
pod() {
  jq "$@" my-models/pod.yaml > changed
  mv changed my-models/pod.yaml
}

# Sets a variable of that pod; without a value, removes it.
variable() {
  pod --arg name "${1%%=*}" --arg value "${1#*=}" '.spec.jobTemplate.spec.template.spec.containers[0].env |=
    (map(select(.name != $name)) + if $value == "" then [] else [{name: $name, value: $value}] end)'
}

# Names of an install with a robot account at this registry, whose token is in a file.
robot() {
  name secret=$SECRET
  name registry=$1
  name username=robot
  apply
  kubectl create secret generic -n $NS robot-account --from-file=token=$2
}

# Stores a document from standard input.
store() {
  kubectl create secret generic -n $NS $SECRET --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=/dev/stdin
}

# A document with one token for OpenShift's registry.
entry() {
  jq -n --arg host $OPENSHIFT --arg token "$1" \
    '{auths: {($host): {username: "<token>", password: $token, auth: ("<token>:" + $token | @base64)}}}'
}

# An expired token.
expired() {
  part() { base64 -w0 | tr '+/' '-_' | tr -d =; }
  echo "$(echo '{"alg":"RS256"}' | part).$(echo '{"iss":"https://issuer.example.com","exp":1700000000}' | part).$(echo signature | part)"
}

# Pushes an image to the store of all registries.
push() { skopeo copy -q docker://quay.io/public/base:1.0 "docker://quay.io/$1"; }

# What the administrator does in the editor, as a filter of jq.
editor() {
  printf '#!/bin/bash\njq -c %q "$1" > changed && mv changed "$1"\n' "$1" > editor
  chmod +x editor
}
