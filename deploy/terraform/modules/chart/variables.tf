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
