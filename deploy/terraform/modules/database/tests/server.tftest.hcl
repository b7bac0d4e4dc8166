# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the provider is a mock.

mock_provider "aws" {}

variables {
  name                     = "portico-test"
  service                  = "user"
  vpc_id                   = "vpc-test"
  subnet_ids               = ["subnet-a", "subnet-b"]
  client_security_group_id = "sg-test"
  kms_key_arn              = "arn:aws:kms:eu-central-1:000000000000:key/test"
  tags                     = { Owner = "tests" }
}

run "keeps_its_logs_as_ours" {
  command = plan

  assert {
    condition     = toset([for log in aws_cloudwatch_log_group.this : log.name]) == toset(["/aws/rds/instance/${aws_db_instance.this.identifier}/postgresql", "/aws/rds/instance/${aws_db_instance.this.identifier}/upgrade"])
    error_message = "where RDS writes"
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_log_group.this)) == toset(aws_db_instance.this.enabled_cloudwatch_logs_exports)
    error_message = "each that it exports"
  }
}

run "takes_as_many_connections_as_pods_may_open" {
  command = plan

  assert {
    condition     = one([for it in aws_db_parameter_group.this.parameter : it.value if it.name == "max_connections"]) == "256"
    error_message = "a small server takes fewer by itself"
  }
}

run "has_aws_keep_the_password" {
  command = plan

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "nobody here knows it"
  }
}

run "refuses_too_few_connections" {
  command = plan

  variables {
    max_connections = 100
  }
  expect_failures = [var.max_connections]
}
