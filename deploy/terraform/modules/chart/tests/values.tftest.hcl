# terraform -chdir=deploy/terraform/modules/chart init && terraform -chdir=deploy/terraform/modules/chart test
# That the chart takes them, deploy/terraform/check.sh shows.

variables {
  host           = "api.example.com"
  network_cidr   = "10.0.0.0/16"
  secrets_prefix = "portico/prod"
  redis_address  = "redis.example.com"
  databases = {
    user = { address = "user.example.com", name = "portico", password_secret_arn = "arn:user" }
    auth = { address = "auth.example.com", name = "portico", password_secret_arn = "arn:auth" }
  }
}

run "says_where_things_are" {
  command = plan

  assert {
    condition     = yamldecode(output.values).auth.issuer == "https://api.example.com"
    error_message = "tokens are from the public host"
  }
  assert {
    condition     = yamldecode(output.values).networkPolicy.storesCidr == "10.0.0.0/16"
    error_message = "the stores are in the network"
  }
  assert {
    condition     = yamldecode(output.values).externalSecrets.databases.auth.secret == "arn:auth"
    error_message = "each service's password is where the provider keeps it"
  }
}

run "refuses_a_url_as_host" {
  command = plan

  variables {
    host = "https://api.example.com"
  }
  expect_failures = [var.host]
}

run "refuses_what_is_no_block" {
  command = plan

  variables {
    network_cidr = "10.0.0.0"
  }
  expect_failures = [var.network_cidr]
}

run "wants_both_databases" {
  command = plan

  variables {
    databases = { user = { address = "user.example.com", name = "portico", password_secret_arn = "arn:user" } }
  }
  expect_failures = [var.databases]
}
