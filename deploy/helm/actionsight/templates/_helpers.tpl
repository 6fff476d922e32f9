{{- define "actionsight.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "actionsight.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "actionsight.labels" -}}
{{ include "actionsight.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "actionsight.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{/* Whether each run of Dagster's is a Job. */}}
{{- define "actionsight.runsAreJobs" -}}
{{ if eq .Values.runs.launcher "kubernetes" }}yes{{ end }}
{{- end }}

{{/* Settings that all processes are told, as a map. */}}
{{- define "actionsight.settings" -}}
ACTIONSIGHT_CODE_SERVER: {{ printf "%s-code-server:4000" (include "actionsight.fullname" .) }}
ACTIONSIGHT_PROXY_COUNT: {{ .Values.proxyCount | quote }}
{{- with .Values.publicUrl }}
ACTIONSIGHT_PUBLIC_URL: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The secrets of each kind of process, as actionsight/settings.py tells them; a ? means: if there. */}}
{{- define "actionsight.secrets" -}}
api:
  - API_DATABASE_URL
  - READ_DATABASE_URL?
  - REDIS_URL
  - CACHE_URL
  - SECRET_KEY
  - GITHUB_TOKEN?
  - GITHUB_APP_PRIVATE_KEY?
  - GITHUB_CLIENT_SECRET?
  - GITHUB_WEBHOOK_SECRET?
receiver:
  - REDIS_URL
  - GITHUB_WEBHOOK_SECRET?
collection:
  - DATABASE_URL
  - DAGSTER_DATABASE_URL
  - REDIS_URL
  - CACHE_URL
  - SECRET_KEY
  - GITHUB_TOKEN?
  - GITHUB_APP_PRIVATE_KEY?
  - RUNS_BROKER_URL?
dagster:
  - DAGSTER_DATABASE_URL
  - RUNS_BROKER_URL?
{{- end }}

{{/* The same as the env of a container; takes (list root kind). */}}
{{- define "actionsight.secretEnv" -}}
{{- $root := index . 0 }}
{{- range index (include "actionsight.secrets" $root | fromYaml) (index . 1) }}
- name: ACTIONSIGHT_{{ trimSuffix "?" . }}
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.existingSecret }}
      key: ACTIONSIGHT_{{ trimSuffix "?" . }}
      optional: {{ hasSuffix "?" . }}
{{- end }}
{{- end }}

{{- define "actionsight.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "actionsight.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
