# What the cloud tells the chart: text alone, so that `terraform test` needs no provider.

terraform {
  required_version = ">= 1.9"
}
