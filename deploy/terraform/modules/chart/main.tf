# What the cloud tells the chart and an overlay: text alone, so that `terraform test` needs no provider.

terraform {
  required_version = ">= 1.9"
}

locals {
  # A URL holds a password, so nothing of it may leave but whether there is one, and its port.
  mailing   = nonsensitive(var.smtp_url != null)
  smtp_port = local.mailing ? nonsensitive(tonumber(try(regex("^smtps?://(?:[^@/]*@)?[^@/:?]+:([0-9]+)", var.smtp_url)[0], startswith(var.smtp_url, "smtps:") ? "465" : "587"))) : null
  # What is left out has the chart's own value.
  image = var.image_registry == null ? {} : { image = { registry = var.image_registry } }
  smtp  = local.mailing ? { smtp = { enabled = true, from = var.mail_from, port = local.smtp_port } } : {}
}
