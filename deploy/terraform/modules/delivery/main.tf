# Who delivers from GitHub Actions: a role that the jobs of one repository in one environment take, by an identity that
# GitHub vouches for and without a key. It may find the cluster and sign in to it, and nothing else in the cloud; what it
# may do there, deploy/release/deployer.yaml says to its group. No access policy of EKS would do: they know nothing of the
# objects of cert-manager and External Secrets.

locals {
  issuer = "token.actions.githubusercontent.com"
  # An account has one of them, so whoever comes second names the first one's.
  oidc_provider_arn = var.oidc_provider_arn != null ? var.oidc_provider_arn : aws_iam_openid_connect_provider.github[0].arn
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = var.oidc_provider_arn == null ? 1 : 0
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_role" "deployer" {
  name                 = "${var.name}-deployer"
  description          = "Deliveries of ${var.repository} to ${var.environment}"
  max_session_duration = 7200
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = local.oidc_provider_arn }
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          # Of a job of this environment alone: who may start one there, and on what, the environment's rules say.
          "${local.issuer}:sub" = "repo:${var.repository}:environment:${var.environment}"
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "deployer" {
  name_prefix = "find-"
  role        = aws_iam_role.deployer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["eks:DescribeCluster"]
      Resource = [var.cluster_arn]
    }]
  })
}

resource "aws_eks_access_entry" "deployer" {
  cluster_name      = var.cluster_name
  principal_arn     = aws_iam_role.deployer.arn
  kubernetes_groups = [var.kubernetes_group]
  type              = "STANDARD"
  tags              = var.tags
}
