# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the provider is a mock.

mock_provider "aws" {}

variables {
  name              = "portico-test"
  repository        = "octo-org/portico"
  environment       = "prod"
  oidc_provider_arn = "arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com"
  cluster_name      = "portico-test"
  cluster_arn       = "arn:aws:eks:eu-central-1:000000000000:cluster/portico-test"
  tags              = { Owner = "tests" }
}

run "trusts_the_jobs_of_one_environment_of_one_repository" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.deployer.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:octo-org/portico:environment:prod"
      }
    }
    error_message = "no other repository, no other environment, and no pattern"
  }
  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "an account that has a provider gets no second one"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.deployer.policy).Statement[0].Action == ["eks:DescribeCluster"] && length(jsondecode(aws_iam_role_policy.deployer.policy).Statement) == 1
    error_message = "it may find the cluster and nothing else"
  }
  assert {
    condition     = aws_eks_access_entry.deployer.kubernetes_groups == toset(["portico:deployers"])
    error_message = "its rights are its group's"
  }
}

run "an_account_without_a_provider_gets_one" {
  command = plan

  variables {
    oidc_provider_arn = null
  }
  assert {
    condition     = aws_iam_openid_connect_provider.github[0].url == "https://token.actions.githubusercontent.com"
    error_message = "GitHub vouches for the jobs"
  }
}

run "knows_immutable_subjects" {
  command = plan

  variables {
    repository = "octo-org@65/portico@74"
  }
  assert {
    condition     = strcontains(aws_iam_role.deployer.assume_role_policy, "repo:octo-org@65/portico@74:environment:prod")
    error_message = "the ids are part of the subject"
  }
}

run "refuses_a_pattern_as_repository" {
  command = plan

  variables {
    repository = "octo-org/*"
  }
  expect_failures = [var.repository]
}

run "refuses_a_pattern_as_environment" {
  command = plan

  variables {
    environment = "*"
  }
  expect_failures = [var.environment]
}

run "refuses_a_group_of_the_cluster_itself" {
  command = plan

  variables {
    kubernetes_group = "system:masters"
  }
  expect_failures = [var.kubernetes_group]
}
