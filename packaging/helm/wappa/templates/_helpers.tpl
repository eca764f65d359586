{{- define "wappa.name" -}}
{{- if contains "wappa" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-wappa" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "wappa.selector" -}}
app.kubernetes.io/name: wappa
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wappa.labels" -}}
{{ include "wappa.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "wappa.asked" -}}
{{- $values := (index . 1).Values -}}
path: {{ index . 0 }}
port: http
scheme: {{ $values.probes.scheme }}
{{- with $values.probes.httpHeaders }}
httpHeaders: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
