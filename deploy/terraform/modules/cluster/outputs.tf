output "name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}

output "arn" {
  description = "What a role that may ask for the cluster's address names."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "Where the API is."
  value       = aws_eks_cluster.this.endpoint
}

output "security_group_id" {
  description = "The group of nodes and pods, which databases let in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "api_client_security_group_id" {
  description = "The group by which a runner or a bastion in the network reaches the API."
  value       = aws_security_group.api_client.id
}

output "oidc_provider_arn" {
  description = "For roles that service accounts take."
  value       = aws_iam_openid_connect_provider.this.arn
}

output "oidc_issuer" {
  description = "The same without its scheme, for the conditions of such roles."
  value       = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")
}
