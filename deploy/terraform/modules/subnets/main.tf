# How a network's block is cut: arithmetic alone, so that `terraform test` needs no provider.

terraform {
  required_version = ">= 1.9"
}

locals {
  zones = { for index, zone in var.zones : zone => index }
}
