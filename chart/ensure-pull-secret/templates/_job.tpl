{{/* Metadata labels of CronJob and Job. */}}
{{- define "ensure-pull-secret.job-labels" -}}
{{ include "ensure-pull-secret.labels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- if not (include "ensure-pull-secret.requested" .) }}
ensure-pull-secret/credential: token-file
{{- end }}
{{- end }}

{{/* Spec of a Job that runs the program: the CronJob's, and the first run's. */}}
{{- define "ensure-pull-secret.job-spec" -}}
{{- $requested := include "ensure-pull-secret.requested" . -}}
# Time for four pods of two minutes, the delays between them and their start.
activeDeadlineSeconds: 900
backoffLimit: 3
podFailurePolicy:
  rules:
  # pod failure policy: written by `cargo xtask generate`
  # First: an evicted pod may end with any exit code.
  - action: Ignore
    onPodConditions:
    - type: DisruptionTarget
      status: "True"
  # Permanent failures end the Job. 75 (retryable) and 70 (a defect, like a crash) are retried.
  - action: FailJob
    onExitCodes:
      containerName: ensure-pull-secret
      operator: In
      values: [64, 65, 66, 67, 73, 76, 77, 78]
  # end of pod failure policy
template:
  metadata:
    labels:
      {{- merge (dict "app.kubernetes.io/name" "ensure-pull-secret") (.Values.podLabels | default dict) | toYaml | nindent 6 }}
    {{- with .Values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    serviceAccountName: {{ .Values.runner | quote }}
    automountServiceAccountToken: true
    enableServiceLinks: false
    restartPolicy: Never
    securityContext:
      runAsNonRoot: true
      seccompProfile:
        type: RuntimeDefault
    containers:
    - name: ensure-pull-secret
      image: {{ include "ensure-pull-secret.image" . | quote }}
      {{- with .Values.image.pullPolicy }}
      imagePullPolicy: {{ . }}
      {{- end }}
      command: [/ensure-pull-secret]
      env:
      {{- if not $requested }}
      - name: PULL_SECRET_TOKEN_FILE
        value: /robot-account/token
      {{- end }}
      - name: PULL_SECRET_NAME
        value: {{ .Values.secret | quote }}
      - name: PULL_SECRET_REGISTRY
        value: {{ .Values.registry | quote }}
      {{- if $requested }}
      - name: PULL_SECRET_SERVICE_ACCOUNT
        value: {{ .Values.puller | quote }}
      {{- end }}
      - name: PULL_SECRET_USERNAME
        value: {{ .Values.username | quote }}
      - name: PULL_SECRET_IMAGE
        value: {{ .Values.verifyImages | quote }}
      - name: PULL_SECRET_CONNECTION
        value: {{ .Values.connection | quote }}
      - name: PULL_SECRET_DISPLAY_NAME
        value: {{ .Values.displayName | quote }}
      - name: PULL_SECRET_DESCRIPTION
        value: {{ .Values.description | quote }}
      - name: PULL_SECRET_NEXT_RUN_WITHIN
        value: {{ .Values.nextRunWithin | quote }}
      - name: PULL_SECRET_TERMINATION_MESSAGE_FILE
        value: /dev/termination-log
      - name: SSL_CERT_DIR
        value: /trusted-ca
      {{- with .Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      terminationMessagePath: /dev/termination-log
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
      {{- if not $requested }}
      - name: robot-account
        mountPath: /robot-account
        readOnly: true
      {{- end }}
      - name: trusted-ca
        mountPath: /trusted-ca
        readOnly: true
    {{- with .Values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.tolerations }}
    tolerations:
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.affinity }}
    affinity:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumes:
    {{- if not $requested }}
    - name: robot-account
      secret:
        secretName: {{ .Values.robot | quote }}
    {{- end }}
    - name: trusted-ca
      configMap:
        name: {{ include "ensure-pull-secret.trusted-ca" . }}
        optional: true
        items:
        - key: ca-bundle.crt
          path: ca-bundle.crt
{{- end }}
