{{/* Seconds of a duration such as 90s, 15m, 24h or 7d, in the program's own form; nothing for another text. */}}
{{- define "ensure-pull-secret.seconds" -}}
{{- if regexMatch "^[0-9]+[smhd]$" . -}}
{{- $unit := get (dict "s" 1 "m" 60 "h" 3600 "d" 86400) (regexFind "[smhd]$" .) -}}
{{- mul (regexFind "^[0-9]+" . | int64) $unit -}}
{{- end -}}
{{- end }}

{{/* Numbers that a field of a schedule means, as a JSON list: `field`, and its `size`, such as 60. */}}
{{- define "ensure-pull-secret.cron-field" -}}
{{- $numbers := list -}}
{{- $size := .size -}}
{{- range splitList "," .field -}}
{{- $parts := splitList "/" . -}}
{{- $range := splitList "-" (first $parts) -}}
{{- $first := 0 -}}
{{- $last := sub $size 1 | int -}}
{{- if ne (first $parts) "*" -}}
{{- $first = first $range | int -}}
{{- if or (gt (len $range) 1) (eq (len $parts) 1) -}}{{- $last = last $range | int -}}{{- end -}}
{{- end -}}
{{- $step := 1 -}}
{{- if gt (len $parts) 1 -}}{{- $step = last $parts | int -}}{{- end -}}
{{- if gt $step 0 -}}
{{- range untilStep $first (add $last 1 | int) $step -}}{{- $numbers = append $numbers . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $numbers | toJson -}}
{{- end }}

{{/*
The longest time between two runs in minutes, on days with runs: a schedule that leaves out days has a longer one.
Nothing for a schedule in another form, such as @daily.
*/}}
{{- define "ensure-pull-secret.gap" -}}
{{- $fields := regexSplit "\\s+" (trim .) -1 -}}
{{- if and (eq (len $fields) 5) (regexMatch "^[0-9*,/-]+ [0-9*,/-]+$" (slice $fields 0 2 | join " ")) -}}
{{- $minutes := include "ensure-pull-secret.cron-field" (dict "field" (index $fields 0) "size" 60) | fromJsonArray -}}
{{- $hours := include "ensure-pull-secret.cron-field" (dict "field" (index $fields 1) "size" 24) | fromJsonArray -}}
{{- $first := -1 -}}
{{- $previous := -1 -}}
{{- $gap := 0 -}}
{{- range $hour := until 24 -}}
{{- if has (float64 $hour) $hours -}}
{{- range $minute := until 60 -}}
{{- if has (float64 $minute) $minutes -}}
{{- $now := add (mul $hour 60) $minute | int -}}
{{- if lt $first 0 -}}{{- $first = $now -}}{{- else -}}{{- $gap = max $gap (sub $now $previous) | int -}}{{- end -}}
{{- $previous = $now -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ge $first 0 -}}{{- max $gap (sub (add $first 1440) $previous) -}}{{- end -}}
{{- end -}}
{{- end }}

{{/* Refuses values that are each valid and don't fit together. */}}
{{- define "ensure-pull-secret.checks" -}}
{{- $own := dict
  "PULL_SECRET_NAME" "secret"
  "PULL_SECRET_REGISTRY" "registry"
  "PULL_SECRET_SERVICE_ACCOUNT" "puller"
  "PULL_SECRET_USERNAME" "username"
  "PULL_SECRET_IMAGE" "verifyImages"
  "PULL_SECRET_CONNECTION" "connection"
  "PULL_SECRET_DISPLAY_NAME" "displayName"
  "PULL_SECRET_DESCRIPTION" "description"
  "PULL_SECRET_NEXT_RUN_WITHIN" "nextRunWithin"
  "PULL_SECRET_TOKEN_FILE" "credential and robot" -}}
{{- $names := list "PULL_SECRET_TERMINATION_MESSAGE_FILE" "SSL_CERT_DIR" -}}
{{- $lifetime := "24h" -}}
{{- range .Values.env -}}
{{- with get $own .name -}}
{{- fail (printf "env: instead of the variable for it, set the value %s" .) -}}
{{- end -}}
{{- if has .name $names -}}
{{- fail (printf "env: the chart sets %s itself, or it is there twice" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- if eq .name "PULL_SECRET_TOKEN_LIFETIME" -}}{{- $lifetime = .value | default "" -}}{{- end -}}
{{- end -}}
{{- if and .Values.admissionPolicy.alone (not .Values.admissionPolicy.enabled) -}}
{{- fail "admissionPolicy.alone without admissionPolicy.enabled installs nothing" -}}
{{- end -}}
{{- $requested := include "ensure-pull-secret.requested" . -}}
{{- $lifetime = include "ensure-pull-secret.seconds" $lifetime -}}
{{- $next := include "ensure-pull-secret.seconds" .Values.nextRunWithin -}}
{{- if and .Values.prometheusRule.enabled (not (and .Values.cronJob.enabled $next)) -}}
{{- fail "prometheusRule needs cronJob.enabled, and a time in nextRunWithin" -}}
{{- end -}}
{{- $gap := include "ensure-pull-secret.gap" .Values.schedule -}}
{{- if and .Values.cronJob.enabled $next $gap -}}
{{- /* One run may fail; startingDeadlineSeconds and activeDeadlineSeconds are 25 minutes. */ -}}
{{- $least := add (mul $gap 2) 25 | int -}}
{{- if lt (int64 $next) (mul $least 60) -}}
{{- fail (printf "nextRunWithin is %s; with the schedule %q it must be at least %dm: twice the longest time between two runs, and 25 minutes" .Values.nextRunWithin .Values.schedule $least) -}}
{{- end -}}
{{- if and $requested $lifetime (le (int64 $lifetime) (int64 $next)) -}}
{{- fail (printf "nextRunWithin is %s, and a token lives for %d s: raise PULL_SECRET_TOKEN_LIFETIME in env, or run more often" .Values.nextRunWithin (int64 $lifetime)) -}}
{{- end -}}
{{- end -}}
{{- if and $requested .Values.admissionPolicy.enabled $lifetime (gt (int64 $lifetime) (int64 .Values.maximumTokenSeconds)) -}}
{{- fail (printf "the program requests tokens of %d s, and the admission policy allows maximumTokenSeconds: %d" (int64 $lifetime) (int64 .Values.maximumTokenSeconds)) -}}
{{- end -}}
{{- end }}
