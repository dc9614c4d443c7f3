{{/*
Sets what the install sets in a Task or StepAction that was read from its file, as components/names and
components/token-file do: `object`, its `container`, and `root`.
*/}}
{{- define "ensure-pull-secret.set-tekton" -}}
{{- $values := .root.Values -}}
{{- $object := .object -}}
{{- $container := .container -}}
{{- $requested := include "ensure-pull-secret.requested" .root -}}
{{- $settings := include "ensure-pull-secret.settings" .root | fromYaml -}}
{{- $variables := list -}}
{{- if $requested -}}
{{- $variables = append $variables (dict "name" "PULL_SECRET_SERVICE_ACCOUNT" "value" $values.puller) -}}
{{- else -}}
{{- /* Literals, never params: a param could send the robot account's password to another host. */ -}}
{{- range list "REGISTRY" "USERNAME" -}}
{{- $variables = append $variables (dict "name" (printf "PULL_SECRET_%s" .) "value" (get $settings .)) -}}
{{- end -}}
{{- $variables = append $variables (dict "name" "PULL_SECRET_TOKEN_FILE" "value" "/robot-account/token") -}}
{{- end -}}

{{- /* Params. */ -}}
{{- $names := list -}}
{{- $params := list -}}
{{- range $object.spec.params -}}
{{- if or $requested (not (has .name (list "REGISTRY" "USERNAME"))) -}}
{{- if hasKey $settings .name -}}{{- $_ := set . "default" (get $settings .name) -}}{{- end -}}
{{- $params = append $params . -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- range $variable := $values.env -}}
{{- if and (hasKey $variable "value") (has (trimPrefix "PULL_SECRET_" $variable.name) $names) (hasPrefix "PULL_SECRET_" $variable.name) -}}
{{- range $params -}}
{{- if eq .name (trimPrefix "PULL_SECRET_" $variable.name) -}}{{- $_ := set . "default" $variable.value -}}{{- end -}}
{{- end -}}
{{- else -}}
{{- $variables = append $variables $variable -}}
{{- end -}}
{{- end -}}
{{- $_ := set $object.spec "params" $params -}}

{{- /* Environment: a variable replaces the one of its name, or is added. */ -}}
{{- $env := list -}}
{{- range $own := $container.env -}}
{{- $kept := $own -}}
{{- range $variables -}}{{- if eq .name $own.name -}}{{- $kept = . -}}{{- end -}}{{- end -}}
{{- if or $requested (ne $own.name "PULL_SECRET_SERVICE_ACCOUNT") -}}{{- $env = append $env $kept -}}{{- end -}}
{{- end -}}
{{- range $variables -}}
{{- $name := .name -}}
{{- $found := false -}}
{{- range $env -}}{{- if eq .name $name -}}{{- $found = true -}}{{- end -}}{{- end -}}
{{- if not $found -}}{{- $env = append $env . -}}{{- end -}}
{{- end -}}
{{- $_ := set $container "env" $env -}}

{{- $_ := set $container "image" (include "ensure-pull-secret.image" .root) -}}
{{- $labels := include "ensure-pull-secret.labels" .root | fromYaml -}}
{{- if not $requested -}}{{- $_ := set $labels "ensure-pull-secret/credential" "token-file" -}}{{- end -}}
{{- $_ := set $object.metadata "labels" (merge $object.metadata.labels $labels) -}}
{{- $_ := set $object.metadata "name" $values.runner -}}
{{- $_ := set $object.metadata "namespace" .root.Release.Namespace -}}
{{- end }}
