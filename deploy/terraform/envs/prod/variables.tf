variable "region" {
  description = "Where everything is."
  type        = string
  default     = "eu-central-1"
}

variable "zones" {
  description = "Three of the region's availability zones."
  type        = list(string)
  default     = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

variable "cidr" {
  description = "The network's block of addresses."
  type        = string
  default     = "10.0.0.0/16"
}

variable "owner" {
  description = "Who answers for it: a team's name, on every resource."
  type        = string
}

variable "zone" {
  description = "The hosted zone that exists."
  type        = string
}

variable "host" {
  description = "The public name of the edge, within the zone."
  type        = string
}

variable "public_access_cidrs" {
  description = "Who reaches the cluster's API from outside; nobody by default."
  type        = list(string)
  default     = []
}

variable "administrator_arns" {
  description = "Roles that administer the cluster beside the one that makes it."
  type        = list(string)
  default     = []
}

variable "administrator" {
  description = "The e-mail address of Portico's first administrator."
  type        = string
}

variable "ingress_namespace" {
  description = "The namespace of the ingress controller, whose pods alone reach the gateway."
  type        = string
  default     = "ingress-nginx"
}

variable "image_registry" {
  description = "Where the release pushes to, such as ghcr.io/octo-org/; null is the chart's own."
  type        = string
  default     = null
}

variable "smtp_url" {
  description = "The mail server with its user and password, such as smtps://user:password@host; null leaves mails in a folder."
  type        = string
  sensitive   = true
  default     = null
}

variable "mail_from" {
  description = "Whom mails are from; with `smtp_url`."
  type        = string
  default     = null
}

variable "github_repository" {
  description = "The repository that delivers here, OWNER/REPO, or OWNER@ID/REPO@ID where it has immutable subjects; null for none."
  type        = string
  default     = null
}

variable "github_oidc_provider_arn" {
  description = "The account's provider of GitHub's identities, where it has one already; null makes it."
  type        = string
  default     = null
}
