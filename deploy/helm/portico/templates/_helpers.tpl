{{/* The name before everything's own. */}}
{{- define "portico.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component: list of the root and the component. */}}
{{- define "portico.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: portico
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of an object of a component: list of the root and the component. */}}
{{- define "portico.labels" -}}
{{- $root := index . 0 -}}
{{ include "portico.selector" . }}
app.kubernetes.io/part-of: portico
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
The labels of a pod: list of the root and the component. Nothing that another release of the chart says otherwise: a
template that changes restarts its pods, also of a service that nobody touched.
*/}}
{{- define "portico.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "portico.selector" . }}
app.kubernetes.io/part-of: portico
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A service's image: list of the root and the service's name. */}}
{{- define "portico.image" -}}
{{- $root := index . 0 -}}
{{- $image := (index $root.Values (index . 1)).image -}}
{{- $name := printf "%s%s" $root.Values.image.registry $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The ports of a service: its own and the ops port, as a JSON object. */}}
{{- define "portico.ports" -}}
{{- get (dict
  "gateway" (dict "name" "http" "port" 3000 "ops" 9090)
  "user" (dict "name" "grpc" "port" 50051 "ops" 9091)
  "auth" (dict "name" "grpc" "port" 50052 "ops" 9092)) . | toJson -}}
{{- end -}}

{{/* A service's environment that is no secret, as a YAML mapping: list of the root and the name. */}}
{{- define "portico.config" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $full := include "portico.fullname" $root -}}
{{- $ports := include "portico.ports" $name | fromJson -}}
{{- $config := dict "LOG__FORMAT" "json" "OPS__LISTEN" (printf "0.0.0.0:%v" $ports.ops) -}}
{{- $_ := set $config (printf "%s__LISTEN" (upper $name)) (printf "0.0.0.0:%v" $ports.port) -}}
{{- $tls := $root.Values.mutualTls.enabled -}}
{{- /* A service's own URL, too, with TLS: none may be plain then. */ -}}
{{- if or $tls (ne $name "user") }}{{ $_ := set $config "USER__URL" (printf "%s://%s-user:50051" ($tls | ternary "https" "http") $full) }}{{ end -}}
{{- if or $tls (ne $name "auth") }}{{ $_ := set $config "AUTH__URL" (printf "%s://%s-auth:50052" ($tls | ternary "https" "http") $full) }}{{ end -}}
{{- /* Whom tokens are from: auth says so, and the others take no other's. */ -}}
{{- $_ := set $config "AUTH__ISSUER" $root.Values.auth.issuer -}}
{{- if eq $name "auth" -}}
{{- $_ := set $config "AUTH__BOOTSTRAP_ADMIN_EMAIL" $root.Values.auth.administrator -}}
{{- $_ := set $config "AUTH__MAIL_DIR" "/var/lib/portico/mail" -}}
{{- if $root.Values.smtp.enabled }}{{ $_ := set $config "AUTH__MAIL_FROM" $root.Values.smtp.from }}{{ end -}}
{{- end -}}
{{- if eq $name "gateway" -}}
{{- $_ := set $config "GATEWAY__DRAIN_DELAY_SECONDS" "5" -}}
{{- if and $root.Values.trustedProxies (or $root.Values.ingress.enabled $root.Values.gatewayApi.enabled) -}}
{{- $_ := set $config "GATEWAY__TRUSTED_PROXIES" $root.Values.trustedProxies -}}
{{- end -}}
{{- end -}}
{{- with $root.Values.tracing.endpoint -}}
{{- $_ := set $config "OTEL_EXPORTER_OTLP_ENDPOINT" . -}}
{{- $_ := set $config "OTEL_TRACES_SAMPLER" "parentbased_always_on" -}}
{{- end -}}
{{- if and (eq $name "gateway") $root.Values.gateway.upstreams -}}
{{- $pairs := list -}}
{{- range $upstream, $url := $root.Values.gateway.upstreams }}{{ $pairs = append $pairs (printf "%s=%s" $upstream $url) }}{{ end -}}
{{- $_ := set $config "UPSTREAMS" (join "," $pairs) -}}
{{- end -}}
{{- merge (deepCopy (index $root.Values $name).config) $config | toYaml -}}
{{- end -}}

{{/* How many replicas at least: list of the root and what the values say; one in a trial, where they leave it open. */}}
{{- define "portico.least" -}}
{{- $root := index . 0 -}}
{{- index . 1 | default ($root.Values.trialSecrets | ternary 1 3) -}}
{{- end -}}

{{/* The keys of a service's own secret. */}}
{{- define "portico.secretKeys" -}}
{{- get (dict "gateway" (list) "user" (list "database-url") "auth" (list "database-url" "master-key" "admin-password")) . | toJson -}}
{{- end -}}

{{/* The Secrets' names: those that exist already, or those that `trialSecrets` makes. */}}
{{- define "portico.secret" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- if $root.Values.trialSecrets -}}
{{- printf "%s-%s" (include "portico.fullname" $root) $name -}}
{{- else -}}
{{- (index $root.Values $name).existingSecret -}}
{{- end -}}
{{- end -}}

{{/* What every container may do, and may not. */}}
{{- define "portico.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The same for a pod: the user's and group's id. */}}
{{- define "portico.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* The rule that lets pods ask for names. */}}
{{- define "portico.dns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Pods of a component, as a peer of a policy. */}}
{{- define "portico.peer" -}}
podSelector:
  matchLabels:
    {{- include "portico.selector" . | nindent 4 }}
{{- end -}}
