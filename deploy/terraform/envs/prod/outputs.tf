# What the chart, or an overlay, wants to know.

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "chart_values" {
  description = "For `helm install --values`: `terraform output -raw chart_values`."
  value       = module.chart.values
}

output "kustomize_settings" {
  description = "The overlay's settings: `terraform output -raw kustomize_settings >deploy/k8s/overlays/prod/settings.yaml`."
  value       = module.chart.kustomize_settings
}

output "databases" {
  description = "Each service's server, and where its password is."
  value       = { for service, database in module.database : service => { address = database.address, secret = database.password_secret_arn } }
}

output "cache_address" {
  description = "Redis, by TLS: `rediss://:<password>@<address>:6379`."
  value       = module.cache.address
}

output "api_client_security_group_id" {
  description = "The group by which a runner or a bastion in the network reaches the cluster's API."
  value       = module.cluster.api_client_security_group_id
}

output "deploy_role_arn" {
  description = "For `DEPLOY_ROLE_ARN` of the environment on GitHub; null without `github_repository`."
  value       = one(module.delivery[*].role_arn)
}

output "github_oidc_provider_arn" {
  description = "For the other environment's `github_oidc_provider_arn`, where both are in one account."
  value       = one(module.delivery[*].oidc_provider_arn)
}

output "secrets_reader_role_arn" {
  description = "External Secrets' role."
  value       = module.secrets.reader_role_arn
}

output "dns_writer_role_arn" {
  description = "The role of cert-manager and External DNS."
  value       = module.dns.writer_role_arn
}
