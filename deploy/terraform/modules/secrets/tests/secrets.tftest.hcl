# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the providers are mocks.

mock_provider "aws" {}
mock_provider "random" {}

variables {
  name                 = "portico-test"
  prefix               = "portico/test"
  database_secret_arns = ["arn:user", "arn:auth"]
  redis_address        = "redis.example.org"
  oidc_provider_arn    = "arn:aws:iam::000000000000:oidc-provider/oidc.example.org"
  oidc_issuer          = "oidc.example.org"
  kms_key_arn          = "arn:aws:kms:eu-central-1:000000000000:key/test"
  tags                 = { Owner = "tests" }
}

run "keeps_what_the_chart_reads" {
  command = plan

  assert {
    condition     = toset([for secret in aws_secretsmanager_secret.this : secret.name]) == toset(["portico/test/auth", "portico/test/redis"])
    error_message = "no mail server, no secret of one"
  }
  assert {
    condition     = length(aws_secretsmanager_secret_version.smtp) == 0
    error_message = "nor a value"
  }
}

run "keeps_the_mail_server_s_url" {
  command = plan

  variables {
    smtp_url = "smtp://portico:secret@mail.example.org:587?tls=required"
  }
  assert {
    condition     = aws_secretsmanager_secret.this["smtp"].name == "portico/test/smtp"
    error_message = "below the same prefix"
  }
  assert {
    condition     = nonsensitive(jsondecode(aws_secretsmanager_secret_version.smtp["smtp"].secret_string)) == { url = "smtp://portico:secret@mail.example.org:587?tls=required" }
    error_message = "as the chart and the overlays read it"
  }
}

run "tells_redis_by_password_and_by_url" {
  command = apply

  assert {
    condition     = toset(keys(nonsensitive(jsondecode(aws_secretsmanager_secret_version.redis.secret_string)))) == toset(["password", "url"])
    error_message = "the chart takes the one, others the other"
  }
  assert {
    condition     = nonsensitive(jsondecode(aws_secretsmanager_secret_version.redis.secret_string).url) == "rediss://:${nonsensitive(random_password.redis.result)}@redis.example.org:6379"
    error_message = "by TLS, at the cache"
  }
  assert {
    condition     = toset(keys(nonsensitive(jsondecode(aws_secretsmanager_secret_version.auth.secret_string)))) == toset(["admin-password", "master-key"])
    error_message = "as the chart and the overlays read them"
  }
}

run "leaves_no_name_behind_when_asked" {
  command = plan

  variables {
    recovery_days = 0
  }
  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 0])
    error_message = "what is made and destroyed freely can be made again"
  }
}

run "refuses_mails_in_clear" {
  command = plan

  variables {
    smtp_url = "smtp://portico:secret@mail.example.org:25"
  }
  expect_failures = [var.smtp_url]
}

run "refuses_a_recovery_that_aws_refuses" {
  command = plan

  variables {
    recovery_days = 3
  }
  expect_failures = [var.recovery_days]
}
