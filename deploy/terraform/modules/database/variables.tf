variable "name" {
  description = "The name before everything's own."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name: 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "service" {
  description = "The service whose database it is."
  type        = string
  validation {
    condition     = contains(["user", "auth"], var.service)
    error_message = "service: user or auth; no other service has a database."
  }
}

variable "vpc_id" {
  description = "The network it is in."
  type        = string
}

variable "subnet_ids" {
  description = "Database subnets, in two zones at least."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: two at least, in different zones."
  }
}

variable "client_security_group_id" {
  description = "The group that may connect: the cluster's."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's major version; minor ones come by themselves."
  type        = string
  default     = "17"
  validation {
    condition     = can(regex("^1[5-9]$", var.engine_version))
    error_message = "engine_version: a major version from 15 to 19."
  }
}

variable "instance_class" {
  description = "The server's size."
  type        = string
  default     = "db.t4g.medium"
}

variable "storage_gib" {
  description = "The disk at first, in GiB; it grows by itself up to four times that."
  type        = number
  default     = 20
  validation {
    condition     = var.storage_gib >= 20
    error_message = "storage_gib: 20 at least."
  }
}

variable "max_connections" {
  description = "How many connections it takes: 16 for each of a service's pods while a rollout adds one, and room for people."
  type        = number
  default     = 256
  validation {
    condition     = var.max_connections >= 200
    error_message = "max_connections: 200 at least, which ten pods and one more need."
  }
}

variable "log_days" {
  description = "How long the server's logs are kept, in days."
  type        = number
  default     = 90
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over."
  type        = bool
  default     = true
}

variable "protected" {
  description = "Whether it cannot be deleted, and leaves a snapshot and its backups when it is after all."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "The key that encrypts disk, backups, password and insights."
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
