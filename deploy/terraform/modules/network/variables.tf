variable "name" {
  description = "The name before everything's own."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name: 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

# The module `subnets`, which cuts the block, refuses blocks and zones that it cannot cut for.
variable "cidr" {
  description = "The network's block of addresses, between /16 and /20."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "The availability zones, two to four of them."
  type        = list(string)
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, and one zone's loss cuts all off from outside."
  type        = bool
  default     = false
}

variable "flow_log_days" {
  description = "How long flow logs are kept, in days."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "The key that encrypts the logs."
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
