{{/* Labels of every object, beside its own. */}}
{{- define "ensure-pull-secret.labels" -}}
app.kubernetes.io/name: ensure-pull-secret
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* Whether the namespace's objects are installed, not the admission policy alone. */}}
{{- define "ensure-pull-secret.namespaced" -}}
{{- if not .Values.admissionPolicy.alone }}true{{ end -}}
{{- end }}

{{/* Whether a token of the puller is requested. */}}
{{- define "ensure-pull-secret.requested" -}}
{{- if eq .Values.credential "requested-token" }}true{{ end -}}
{{- end }}

{{/*
The program's image. The release's digest belongs to the chart's own tag, in this repository or in a copy of it.
*/}}
{{- define "ensure-pull-secret.image" -}}
{{- $image := .Values.image -}}
{{- $released := index .Chart.Annotations "ensure-pull-secret/image-digest" -}}
{{- $image.repository -}}
{{- if $image.tag -}}
:{{ $image.tag }}{{ with $image.digest }}@{{ . }}{{ end -}}
{{- else if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ .Chart.AppVersion }}{{ with $released }}@{{ . }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Settings of the install by the variable's name without its prefix, as YAML. */}}
{{- define "ensure-pull-secret.settings" -}}
{{- with .Values -}}
NAME: {{ .secret | quote }}
REGISTRY: {{ .registry | quote }}
USERNAME: {{ .username | quote }}
IMAGE: {{ .verifyImages | quote }}
CONNECTION: {{ .connection | quote }}
DISPLAY_NAME: {{ .displayName | quote }}
DESCRIPTION: {{ .description | quote }}
NEXT_RUN_WITHIN: {{ .nextRunWithin | quote }}
{{- end -}}
{{- end }}

{{/* The ConfigMap of CA certificates. */}}
{{- define "ensure-pull-secret.trusted-ca" -}}
ensure-pull-secret-trusted-ca
{{- end }}
