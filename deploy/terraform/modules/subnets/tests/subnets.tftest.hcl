# terraform -chdir=deploy/terraform/modules/subnets init && terraform -chdir=deploy/terraform/modules/subnets test

variables {
  cidr  = "10.0.0.0/16"
  zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

run "cuts_the_block_into_subnets_that_do_not_overlap" {
  command = plan

  assert {
    condition     = values(output.public) == ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    error_message = "public subnets are the first quarter"
  }
  assert {
    condition     = values(output.private) == ["10.0.64.0/20", "10.0.80.0/20", "10.0.96.0/20"]
    error_message = "private subnets are the second quarter"
  }
  assert {
    condition     = values(output.database) == ["10.0.128.0/20", "10.0.144.0/20", "10.0.160.0/20"]
    error_message = "database subnets are the third quarter"
  }
  assert {
    condition     = output.nat_zones == tolist(var.zones) && output.nat_zone["eu-central-1b"] == "eu-central-1b"
    error_message = "each zone has a way out of its own"
  }
}

run "four_zones_of_the_smallest_block_fit_too" {
  command = plan

  variables {
    cidr  = "172.16.16.0/20"
    zones = ["a", "b", "c", "d"]
  }
  assert {
    condition     = length(distinct(concat(values(output.public), values(output.private), values(output.database)))) == 12
    error_message = "twelve different subnets"
  }
  assert {
    condition     = output.database["d"] == "172.16.27.0/24"
    error_message = "the last one ends within the block"
  }
}

run "one_nat_gateway_serves_all_zones_when_asked" {
  command = plan

  variables {
    single_nat_gateway = true
  }
  assert {
    condition     = output.nat_zones == tolist(["eu-central-1a"]) && toset(values(output.nat_zone)) == toset(["eu-central-1a"])
    error_message = "one gateway, and a way to it from each zone"
  }
}

run "refuses_a_block_that_is_too_small" {
  command = plan

  variables {
    cidr = "10.0.0.0/28"
  }
  expect_failures = [var.cidr]
}

run "refuses_what_is_no_block" {
  command = plan

  variables {
    cidr = "10.0.0.0"
  }
  expect_failures = [var.cidr]
}

run "refuses_one_zone" {
  command = plan

  variables {
    zones = ["eu-central-1a"]
  }
  expect_failures = [var.zones]
}

run "refuses_the_same_zone_twice" {
  command = plan

  variables {
    zones = ["eu-central-1a", "eu-central-1a"]
  }
  expect_failures = [var.zones]
}
