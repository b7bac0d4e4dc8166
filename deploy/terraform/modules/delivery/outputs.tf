output "role_arn" {
  description = "For the environment's variable `DEPLOY_ROLE_ARN` on GitHub."
  value       = aws_iam_role.deployer.arn
}

output "oidc_provider_arn" {
  description = "The account's provider of GitHub's identities, for whoever comes second."
  value       = local.oidc_provider_arn
}
