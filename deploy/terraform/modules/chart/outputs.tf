output "values" {
  description = "Values of deploy/helm/portico, as YAML."
  value = yamlencode({
    auth    = { issuer = "https://${var.host}" }
    ingress = { enabled = true, host = var.host }
    externalSecrets = {
      enabled      = true
      prefix       = var.secrets_prefix
      databases    = { for service, it in var.databases : service => { address = it.address, name = it.name, secret = it.password_secret_arn } }
      redisAddress = var.redis_address
    }
    mutualTls     = { enabled = true }
    networkPolicy = { storesCidr = var.network_cidr }
    # Pods have addresses of the network, and so has the ingress controller.
    trustedProxies = var.network_cidr
  })
}
