# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the providers are mocks.

mock_provider "aws" {}
mock_provider "random" {}

variables {
  owner         = "tests"
  zone          = "example.org"
  host          = "api.example.org"
  administrator = "ada@example.org"
}

run "plans_with_what_has_no_default_alone" {
  command = plan

  assert {
    condition     = output.deploy_role_arn == null
    error_message = "nobody delivers before a repository is named"
  }
}

run "plans_with_everything" {
  command = plan

  variables {
    smtp_url            = "smtps://portico:secret@mail.example.org"
    mail_from           = "Portico <no-reply@example.org>"
    image_registry      = "ghcr.io/octo-org/"
    github_repository   = "octo-org/portico"
    public_access_cidrs = ["203.0.113.7/32"]
    administrator_arns  = ["arn:aws:iam::000000000000:role/platform"]
  }
}
