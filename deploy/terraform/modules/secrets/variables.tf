variable "name" {
  description = "The name before everything's own."
  type        = string
}

variable "prefix" {
  description = "The path before each secret's name, such as portico/prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9/-]*[a-z0-9]$", var.prefix))
    error_message = "prefix: lower-case letters, digits, hyphens and slashes, such as portico/prod."
  }
}

variable "database_secret_arns" {
  description = "The databases' passwords, which External Secrets reads too."
  type        = list(string)
}

variable "redis_address" {
  description = "The cache's name, for the URL in the secret `redis`."
  type        = string
}

variable "smtp_url" {
  description = "The mail server with its user and password, as `AUTH__SMTP_URL` wants it; null where mails stay in a folder."
  type        = string
  sensitive   = true
  default     = null
  validation {
    condition     = var.smtp_url == null || can(regex("^smtps://[^ ]+$|^smtp://[^ ]+[?&]tls=(required|opportunistic)$", var.smtp_url))
    error_message = "smtp_url: smtps://user:password@host, or smtp://user:password@host:587?tls=required."
  }
}

variable "oidc_provider_arn" {
  description = "The cluster's provider of identities."
  type        = string
}

variable "oidc_issuer" {
  description = "The same as an issuer without its scheme."
  type        = string
}

variable "service_account" {
  description = "Who reads the secrets, as namespace:name."
  type        = string
  default     = "external-secrets:external-secrets"
}

variable "recovery_days" {
  description = "How long a deleted secret can be brought back, in days. Its name is taken for as long."
  type        = number
  default     = 30
  validation {
    condition     = var.recovery_days == 0 || (var.recovery_days >= 7 && var.recovery_days <= 30)
    error_message = "recovery_days: 7 to 30, or 0 for what is made and destroyed freely."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts them."
  type        = string
}

variable "tags" {
  description = "Tags on everything; `Owner` among them."
  type        = map(string)
  validation {
    condition     = contains(keys(var.tags), "Owner")
    error_message = "tags: must name an Owner."
  }
}
