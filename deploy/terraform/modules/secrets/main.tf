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
  names = concat(["auth", "redis"], nonsensitive(var.smtp_url != null) ? ["smtp"] : [])
}

resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:a master key is rotated by putting a new one before the old; no function could do it alone
  for_each                = toset(local.names)
  name                    = "${var.prefix}/${each.key}"
  description             = "Portico: ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_version" "auth" {
  secret_id = aws_secretsmanager_secret.this["auth"].id
  secret_string = jsonencode({
    "master-key"     = random_bytes.master_key.base64
    "admin-password" = random_password.administrator.result
  })
  # A master key that somebody rotated by hand (new one, comma, old one) stays.
  lifecycle {
    ignore_changes = [secret_string]
  }
}

# The address is known when the cache is made, or has taken a new password: so nobody reads one that it refuses.
resource "aws_secretsmanager_secret_version" "redis" {
  secret_id = aws_secretsmanager_secret.this["redis"].id
  secret_string = jsonencode({
    "password" = random_password.redis.result
    "url"      = "rediss://:${random_password.redis.result}@${var.redis_address}:6379"
  })
}

resource "aws_secretsmanager_secret_version" "smtp" {
  for_each      = toset(contains(local.names, "smtp") ? ["smtp"] : [])
  secret_id     = aws_secretsmanager_secret.this[each.key].id
  secret_string = jsonencode({ "url" = var.smtp_url })
}

# One resource held all of them. Without a word on where each went, Terraform would write the first master key again.
moved {
  from = aws_secretsmanager_secret_version.this["auth"]
  to   = aws_secretsmanager_secret_version.auth
}

moved {
  from = aws_secretsmanager_secret_version.this["redis"]
  to   = aws_secretsmanager_secret_version.redis
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
