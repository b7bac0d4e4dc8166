variable "name" {
  description = "The name before everything's own."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name: 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "repository" {
  description = "The repository on GitHub as its tokens name it: OWNER/REPO, or OWNER@ID/REPO@ID where it has immutable subjects."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository)) || can(regex("^[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+$", var.repository))
    error_message = "repository: OWNER/REPO, or OWNER@ID/REPO@ID, and no pattern."
  }
}

variable "environment" {
  description = "The repository's environment whose jobs deliver here."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.environment))
    error_message = "environment: lower-case letters, digits and hyphens, and no pattern."
  }
}

variable "oidc_provider_arn" {
  description = "The account's provider of GitHub's identities, where it has one already; null makes it."
  type        = string
  default     = null
  validation {
    condition     = var.oidc_provider_arn == null || endswith(coalesce(var.oidc_provider_arn, "-"), ":oidc-provider/token.actions.githubusercontent.com")
    error_message = "oidc_provider_arn: arn:aws:iam::…:oidc-provider/token.actions.githubusercontent.com."
  }
}

variable "cluster_name" {
  description = "The cluster that is delivered to."
  type        = string
}

variable "cluster_arn" {
  description = "The same, as policies name it."
  type        = string
}

variable "kubernetes_group" {
  description = "The group that deploy/release/deployer.yaml gives its rights to."
  type        = string
  default     = "portico:deployers"
  validation {
    condition     = !can(regex("^(system|eks|aws|amazon|iam):", var.kubernetes_group))
    error_message = "kubernetes_group: EKS refuses what begins with system:, eks:, aws:, amazon: or iam:."
  }
}

variable "tags" {
  description = "Tags on everything; `Owner` among them."
  type        = map(string)
  validation {
    condition     = contains(keys(var.tags), "Owner")
    error_message = "tags: must name an Owner."
  }
}
