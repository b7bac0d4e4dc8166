variable "host" {
  description = "The public host."
  type        = string
  validation {
    condition     = can(regex("^([a-z0-9]([-a-z0-9]*[a-z0-9])?\\.)+[a-z]{2,}$", var.host))
    error_message = "host: a name in lower case, such as api.example.com, without a scheme."
  }
}

variable "network_cidr" {
  description = "The network that nodes, databases and Redis are in."
  type        = string
  validation {
    condition     = can(cidrnetmask(var.network_cidr))
    error_message = "network_cidr: an IPv4 block, such as 10.0.0.0/16."
  }
}

variable "secrets_prefix" {
  description = "The path before each secret's name, such as portico/prod."
  type        = string
}

variable "databases" {
  description = "Each service's database, as the module `database` tells it."
  type        = map(object({ address = string, name = string, password_secret_arn = string }))
  validation {
    condition     = toset(keys(var.databases)) == toset(["user", "auth"])
    error_message = "databases: one for user and one for auth."
  }
}

variable "redis_address" {
  description = "Redis, by TLS."
  type        = string
}

variable "administrator" {
  description = "The first administrator's e-mail address."
  type        = string
  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+$", var.administrator)) && !endswith(var.administrator, "@example.com")
    error_message = "administrator: the e-mail address of a person, who may do everything."
  }
}

variable "ingress_namespace" {
  description = "The namespace of the ingress controller, whose pods alone reach the gateway."
  type        = string
  default     = "ingress-nginx"
  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", var.ingress_namespace))
    error_message = "ingress_namespace: a namespace, since whoever is let in is believed when it says whose a request is."
  }
}

variable "image_registry" {
  description = "Before each image's own name, with a slash at the end, such as ghcr.io/octo-org/; null is the chart's own."
  type        = string
  default     = null
  validation {
    condition     = var.image_registry == null || can(regex("^[a-z0-9.:-]+(/[a-z0-9._-]+)*/$", var.image_registry))
    error_message = "image_registry: in lower case, with a slash at the end, such as ghcr.io/octo-org/."
  }
}

variable "smtp_url" {
  description = "The mail server with its user and password, by TLS; null leaves mails in a folder."
  type        = string
  sensitive   = true
  default     = null
  validation {
    condition     = var.smtp_url == null || can(regex("^smtps://[^ ]+$|^smtp://[^ ]+[?&]tls=(required|opportunistic)$", var.smtp_url))
    error_message = "smtp_url: smtps://user:password@host, or smtp://user:password@host:587?tls=required."
  }
}

variable "mail_from" {
  description = "Whom mails are from, such as Portico <no-reply@example.org>; with `smtp_url`."
  type        = string
  default     = null
  validation {
    condition     = (var.mail_from == null) == (var.smtp_url == null)
    error_message = "mail_from, smtp_url: both or neither."
  }
  validation {
    condition     = var.mail_from == null || can(regex("^[^<>]*<[^@ ]+@[^@ ]+>$|^[^@ ]+@[^@ ]+$", var.mail_from))
    error_message = "mail_from: an address, or a name with the address in angle brackets."
  }
}
