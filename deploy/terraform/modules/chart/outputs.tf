output "values" {
  description = "Values of deploy/helm/portico, as YAML."
  value = yamlencode(merge({
    auth    = { issuer = "https://${var.host}", administrator = var.administrator }
    ingress = { enabled = true, host = var.host }
    externalSecrets = {
      enabled      = true
      prefix       = var.secrets_prefix
      databases    = { for service, it in var.databases : service => { address = it.address, name = it.name, secret = it.password_secret_arn } }
      redisAddress = var.redis_address
    }
    mutualTls = { enabled = true }
    # Pods have addresses of the network, and so has the ingress controller: the policy sees to it that it alone comes to
    # the gateway, and so is believed.
    networkPolicy  = { storesCidr = var.network_cidr, ingressNamespace = var.ingress_namespace }
    trustedProxies = var.network_cidr
  }, local.image, local.smtp))
}

output "kustomize_settings" {
  description = "An overlay's settings.yaml in deploy/k8s: where its stores and secrets are."
  value = join("", ["---\n", yamlencode({
    apiVersion = "v1"
    kind       = "ConfigMap"
    metadata   = { name = "portico-settings", annotations = { "config.kubernetes.io/local-config" = "true" } }
    data = merge(
      { "secrets-prefix" = var.secrets_prefix, "redis" = "${var.redis_address}:6379" },
      { for service, it in var.databases : "${service}-database" => "${it.address}:5432/${it.name}?sslmode=require" },
      { for service, it in var.databases : "${service}-database-secret" => it.password_secret_arn },
    )
  })])
}
