{{/*
The pod of one process; takes a dict of
  root, part, kind, args, resources
  port        where it listens
  probes      as YAML
  env         more settings
  isHook      whether it runs before the ConfigMap is there
  isPrices    whether it reads the lists of prices
  account     a ServiceAccount whose token it needs
  grace       seconds that it may take to end
  dataSize    of its data folder
*/}}
{{- define "actionsight.pod" -}}
{{- $root := .root }}
{{- $name := include "actionsight.fullname" $root }}
{{- $startsJobs := and (has .kind (list "collection" "dagster")) (include "actionsight.runsAreJobs" $root) (not .isHook) }}
serviceAccountName: {{ .account | default "default" }}
automountServiceAccountToken: {{ not (empty .account) }}
# Else a Service of this chart would look like a setting: ACTIONSIGHT_API_PORT=tcp://…
enableServiceLinks: false
securityContext:
  {{- include "actionsight.podSecurity" $root | nindent 2 }}
terminationGracePeriodSeconds: {{ .grace | default 30 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .part }}
    image: {{ include "actionsight.image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    securityContext:
      {{- include "actionsight.containerSecurity" $root | nindent 6 }}
    {{- with .port }}
    ports: [{name: main, containerPort: {{ . }}}]
    {{- end }}
    {{- if not .isHook }}
    envFrom:
      - configMapRef: {name: {{ $name }}}
    {{- end }}
    env:
      {{- if .isHook }}
      {{- range $key, $value := include "actionsight.settings" $root | fromYaml }}
      - {name: {{ $key }}, value: {{ $value | quote }}}
      {{- end }}
      {{- end }}
      {{- range $key, $value := .env }}
      - {name: {{ $key }}, value: {{ $value | quote }}}
      {{- end }}
      {{- if $startsJobs }}
      - {name: ACTIONSIGHT_DAGSTER_YAML, value: /etc/actionsight/kubernetes.yaml}
      {{- end }}
      {{- include "actionsight.secretEnv" (list $root .kind) | nindent 6 }}
    {{- with .probes }}
    {{- . | nindent 4 }}
    {{- end }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/actionsight}
      - {name: tmp, mountPath: /tmp}
      {{- if $startsJobs }}
      - {name: dagster, mountPath: /etc/actionsight, readOnly: true}
      {{- end }}
      {{- if .isPrices }}
      {{- range $file, $text := include "actionsight.prices" $root | fromYaml }}
      - {name: prices, mountPath: /var/lib/actionsight/{{ $file }}, subPath: {{ $file }}, readOnly: true}
      {{- end }}
      {{- end }}
volumes:
  - {name: data, emptyDir: {sizeLimit: {{ .dataSize | default "1Gi" }}}}
  - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
  {{- if $startsJobs }}
  - {name: dagster, configMap: {name: {{ $name }}-dagster}}
  {{- end }}
  {{- if and .isPrices (include "actionsight.prices" $root | fromYaml) }}
  - {name: prices, configMap: {name: {{ $name }}-prices}}
  {{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The lists of prices, by their files' names. */}}
{{- define "actionsight.prices" -}}
{{- with .Values.prices.runnerPrices }}
runner_prices.csv: {{ . | toJson }}
{{- end }}
{{- with .Values.prices.runnerLabels }}
runner_labels.csv: {{ . | toJson }}
{{- end }}
{{- end }}

{{/* Kubernetes asks at the pod's address, and API and receiver answer to their own names; takes (list path port). */}}
{{- define "actionsight.httpGet" -}}
httpGet:
  path: {{ index . 0 }}
  port: {{ index . 1 }}
  httpHeaders: [{name: Host, value: localhost}]
{{- end }}
