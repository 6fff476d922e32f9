{{/* The name and labels of an object; takes (list root suffix). */}}
{{- define "actionsight.metadata" -}}
{{- $root := index . 0 }}
name: {{ include "actionsight.fullname" $root }}{{ with index . 1 }}-{{ . }}{{ end }}
labels:
  {{- include "actionsight.labels" $root | nindent 2 }}
  {{- with index . 1 }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- end }}

{{/* The pods of a part; takes (list root part). */}}
{{- define "actionsight.podsOf" -}}
{{ include "actionsight.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* A Deployment; takes what a pod takes (_pod.tpl), and replicas; without them there is one, and never two. */}}
{{- define "actionsight.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "actionsight.metadata" (list .root .part) | nindent 2 }}
spec:
  replicas: {{ .replicas | default 1 }}
  {{- if not .replicas }}
  strategy: {type: Recreate}
  {{- end }}
  selector:
    matchLabels:
      {{- include "actionsight.podsOf" (list .root .part) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "actionsight.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .part }}
      annotations:
        # What changes the ConfigMap changes the pods.
        checksum/settings: {{ include "actionsight.settings" .root | sha256sum }}
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "actionsight.pod" . | nindent 6 }}
{{- end }}

{{/* A Service; takes (list root part port). */}}
{{- define "actionsight.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "actionsight.metadata" (list (index . 0) (index . 1)) | nindent 2 }}
spec:
  selector:
    {{- include "actionsight.podsOf" (list (index . 0) (index . 1)) | nindent 4 }}
  ports:
    - {name: main, port: {{ index . 2 }}, targetPort: main}
{{- end }}

{{/* One stays while nodes are drained; takes (list root part). */}}
{{- define "actionsight.budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "actionsight.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "actionsight.podsOf" . | nindent 6 }}
{{- end }}
