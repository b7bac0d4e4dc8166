variable "name" {
  description = "The name before everything's own."
  type        = string
}

variable "zone" {
  description = "The hosted zone that exists, such as example.com."
  type        = string
}

variable "host" {
  description = "The public name of the edge, within the zone."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9.-]+\\.[a-z]+$", var.host))
    error_message = "host: a domain name, such as api.example.com."
  }
}

variable "certificate_issuers" {
  description = "Who may issue certificates for the host."
  type        = list(string)
  default     = ["letsencrypt.org"]
}

variable "oidc_provider_arn" {
  description = "The cluster's provider of identities."
  type        = string
}

variable "oidc_issuer" {
  description = "The same as an issuer without its scheme."
  type        = string
}

variable "service_accounts" {
  description = "Who may write in the zone, as namespace:name."
  type        = list(string)
  default     = ["cert-manager:cert-manager", "external-dns:external-dns"]
}

variable "tags" {
  description = "Tags on everything; `Owner` among them."
  type        = map(string)
  validation {
    condition     = contains(keys(var.tags), "Owner")
    error_message = "tags: must name an Owner."
  }
}
