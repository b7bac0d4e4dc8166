# What the chart, or an overlay, wants to know.

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = module.cluster.name
}

output "chart_values" {
  description = "For `helm install --values`: `terraform output -raw chart_values`."
  value       = module.chart.values
}

output "databases" {
  description = "Each service's server, and where its password is."
  value       = { for service, database in module.database : service => { address = database.address, secret = database.password_secret_arn } }
}

output "cache_address" {
  description = "Redis, by TLS: `rediss://:<password>@<address>:6379`."
  value       = module.cache.address
}

output "secrets_reader_role_arn" {
  description = "External Secrets' role."
  value       = module.secrets.reader_role_arn
}

output "dns_writer_role_arn" {
  description = "The role of cert-manager and External DNS."
  value       = module.dns.writer_role_arn
}
