# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the provider is a mock.

mock_provider "aws" {}

variables {
  name        = "portico-test"
  zones       = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  kms_key_arn = "arn:aws:kms:eu-central-1:000000000000:key/test"
  tags        = { Owner = "tests" }
}

run "cuts_the_block_into_subnets_that_do_not_overlap" {
  command = plan

  assert {
    condition     = [for zone in var.zones : aws_subnet.public[zone].cidr_block] == ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    error_message = "public subnets are the first quarter"
  }
  assert {
    condition     = [for zone in var.zones : aws_subnet.private[zone].cidr_block] == ["10.0.64.0/20", "10.0.80.0/20", "10.0.96.0/20"]
    error_message = "private subnets are the second quarter"
  }
  assert {
    condition     = output.database_cidrs == ["10.0.128.0/20", "10.0.144.0/20", "10.0.160.0/20"]
    error_message = "database subnets are the third quarter"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 3
    error_message = "each zone has a way out of its own"
  }
}

run "one_nat_gateway_serves_all_zones_when_asked" {
  command = plan

  variables {
    single_nat_gateway = true
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private) == 3
    error_message = "one gateway, and a route to it from each zone"
  }
}

run "refuses_what_cannot_be" {
  command = plan

  variables {
    name = "Portico"
    tags = {}
  }
  # Blocks and zones, the tests of `subnets` try.
  expect_failures = [var.name, var.tags]
}
