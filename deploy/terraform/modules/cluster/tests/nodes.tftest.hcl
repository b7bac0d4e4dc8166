# Run: deploy/terraform/check.sh with TERRAFORM_PROVIDERS=download. Nothing is made: the provider is a mock.

mock_provider "aws" {}

variables {
  name        = "portico-test"
  subnet_ids  = ["subnet-a", "subnet-b"]
  kms_key_arn = "arn:aws:kms:eu-central-1:000000000000:key/test"
  tags        = { Owner = "tests" }
}

run "encrypts_and_sizes_both_disks_of_bottlerocket" {
  command = plan

  assert {
    condition     = { for disk in aws_launch_template.node.block_device_mappings : disk.device_name => disk.ebs[0].volume_size } == { "/dev/xvda" = 4, "/dev/xvdb" = 40 }
    error_message = "images and pods' files are on the second"
  }
  assert {
    condition     = alltrue([for disk in aws_launch_template.node.block_device_mappings : tobool(disk.ebs[0].encrypted)])
    error_message = "no disk in clear"
  }
  assert {
    condition     = toset([for it in aws_launch_template.node.tag_specifications : it.resource_type]) == toset(["instance", "network-interface", "volume"])
    error_message = "whatever a node is made of has an owner"
  }
}

run "others_have_one_disk" {
  command = plan

  variables {
    ami_type = "AL2023_ARM_64_STANDARD"
  }
  assert {
    condition     = { for disk in aws_launch_template.node.block_device_mappings : disk.device_name => disk.ebs[0].volume_size } == { "/dev/xvda" = 40 }
    error_message = "all of it on the first"
  }
}

run "nodes_and_add_ons_follow_the_cluster_s_version" {
  command = plan

  variables {
    kubernetes_version = "1.36"
  }
  assert {
    condition     = aws_eks_node_group.this.version == "1.36"
    error_message = "nodes are upgraded with the cluster"
  }
  assert {
    condition     = alltrue([for addon in data.aws_eks_addon_version.this : addon.kubernetes_version == "1.36"])
    error_message = "and so are add-ons"
  }
}

run "has_administrators_beside_its_maker" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:iam::000000000000:role/platform"]
  }
  assert {
    condition     = aws_eks_access_policy_association.administrator["arn:aws:iam::000000000000:role/platform"].access_scope[0].type == "cluster"
    error_message = "in the whole cluster"
  }
}

run "refuses_an_administrator_that_is_a_session" {
  command = plan

  variables {
    administrator_arns = ["arn:aws:sts::000000000000:assumed-role/platform/ada"]
  }
  expect_failures = [var.administrator_arns]
}

run "takes_over_what_a_new_cluster_comes_with" {
  command = plan

  assert {
    condition     = alltrue([for addon in aws_eks_addon.this : addon.resolve_conflicts_on_create == "OVERWRITE" && addon.resolve_conflicts_on_update == "PRESERVE"])
    error_message = "an add-on does not fail on what EKS made by itself"
  }
  assert {
    condition     = jsondecode(aws_eks_addon.this["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "policies are enforced"
  }
}

run "is_private_and_protected_by_itself" {
  command = plan

  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.deletion_protection
    error_message = "nobody from outside, and nobody deletes it"
  }
}

run "refuses_everybody" {
  command = plan

  variables {
    public_access_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.public_access_cidrs]
}
