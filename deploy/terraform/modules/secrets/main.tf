# What Portico must be told in secret, made here once and read in the cluster by External Secrets. Values
# are in Terraform's state: its bucket is encrypted and only deliverers may read it.

resource "random_password" "redis" {
  length  = 64
  special = false
}

resource "random_password" "administrator" {
  length  = 32
  special = false
}

resource "random_bytes" "master_key" {
  length = 32
}

locals {
  # Database passwords are AWS's, which changes them: External Secrets puts each URL together from them.
  values = {
    auth = {
      "master-key"     = random_bytes.master_key.base64
      "admin-password" = random_password.administrator.result
    }
    redis = {
      "password" = random_password.redis.result
    }
  }
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:a master key is rotated by putting a new one before the old; no function could do it alone
  for_each                = local.values
  name                    = "${var.prefix}/${each.key}"
  description             = "Portico: ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each      = local.values
  secret_id     = aws_secretsmanager_secret.this[each.key].id
  secret_string = jsonencode(each.value)
  # A master key that somebody rotated by hand (new one, comma, old one) stays.
  lifecycle {
    ignore_changes = [secret_string]
  }
}

resource "aws_iam_role" "reader" {
  name_prefix = "${var.name}-secrets-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.oidc_provider_arn }
      Condition = {
        StringEquals = {
          "${var.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${var.oidc_issuer}:sub" = "system:serviceaccount:${var.service_account}"
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "reader" {
  name_prefix = "read-"
  role        = aws_iam_role.reader.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = concat([for secret in aws_secretsmanager_secret.this : secret.arn], var.database_secret_arns)
      },
      {
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.kms_key_arn]
      },
    ]
  })
}
