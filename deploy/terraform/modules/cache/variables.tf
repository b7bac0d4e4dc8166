variable "name" {
  description = "The name before everything's own."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name: 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  description = "The network it is in."
  type        = string
}

variable "subnet_ids" {
  description = "Database subnets."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "The group that may connect: the cluster's."
  type        = string
}

variable "node_type" {
  description = "The server's size. It holds counters and revocations of ten minutes: the smallest does for long."
  type        = string
  default     = "cache.t4g.micro"
}

variable "replicas" {
  description = "Replicas in other zones; without one, its loss makes limits and revocations local until it is back."
  type        = number
  default     = 1
  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5
    error_message = "replicas: 0 to 5."
  }
}

variable "auth_token" {
  description = "The password: 16 to 128 characters."
  type        = string
  sensitive   = true
  validation {
    condition     = length(var.auth_token) >= 16 && length(var.auth_token) <= 128
    error_message = "auth_token: 16 to 128 characters."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts it."
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
