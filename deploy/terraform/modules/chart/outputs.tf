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

output "kustomize_values" {
  description = "What an overlay of deploy/k8s is told, as YAML."
  value = yamlencode({
    host             = var.host
    issuer           = "https://${var.host}"
    administrator    = var.administrator
    secretsPrefix    = var.secrets_prefix
    databases        = { for service, it in var.databases : service => { address = it.address, name = it.name, secret = it.password_secret_arn } }
    redisAddress     = var.redis_address
    storesCidr       = var.network_cidr
    trustedProxies   = var.network_cidr
    ingressNamespace = var.ingress_namespace
    mailFrom         = local.mailing ? var.mail_from : null
    smtpPort         = local.smtp_port
  })
}
