# The public name of the edge, and the role that lets cert-manager and External DNS write in its zone and
# nowhere else.

data "aws_route53_zone" "this" {
  name = var.zone
}

# Nobody but these may issue a certificate for the name.
resource "aws_route53_record" "caa" {
  zone_id = data.aws_route53_zone.this.zone_id
  name    = var.host
  type    = "CAA"
  ttl     = 3600
  records = [for issuer in var.certificate_issuers : "0 issue \"${issuer}\""]
}

resource "aws_iam_role" "writer" {
  name_prefix = "${var.name}-dns-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.oidc_provider_arn }
      Condition = {
        StringEquals = {
          "${var.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${var.oidc_issuer}:sub" = [for account in var.service_accounts : "system:serviceaccount:${account}"]
        }
      }
    }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "writer" {
  # checkov:skip=CKV_AWS_355:these three actions only read and know no narrower resource
  name_prefix = "zone-"
  role        = aws_iam_role.writer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"]
        Resource = data.aws_route53_zone.this.arn
      },
      {
        Effect   = "Allow"
        Action   = ["route53:GetChange", "route53:ListHostedZones", "route53:ListHostedZonesByName"]
        Resource = "*"
      },
    ]
  })
}
