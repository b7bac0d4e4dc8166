variable "name" {
  description = "The cluster's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name: 2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "kubernetes_version" {
  description = "The control plane's version, such as 1.35."
  type        = string
  default     = "1.35"
  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version)) && try(tonumber(split(".", var.kubernetes_version)[1]) >= 30, false)
    error_message = "kubernetes_version: 1.30 or newer, such as 1.35."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one for each zone."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Who reaches the API from outside; nobody when it is empty, and then only the network itself does."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrnetmask(cidr)) && cidr != "0.0.0.0/0"])
    error_message = "public_access_cidrs: IPv4 blocks, and never 0.0.0.0/0."
  }
}

variable "administrator_arns" {
  description = "Roles that administer the cluster beside the one that makes it, which does so anyway and may not be among them."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for arn in var.administrator_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "administrator_arns: roles as arn:aws:iam::<account>:role/<name>."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts secrets and logs."
  type        = string
}

variable "instance_types" {
  description = "What nodes are made of."
  type        = list(string)
  default     = ["m7g.large"]
}

variable "ami_type" {
  description = "The nodes' system, for the architecture of `instance_types`."
  type        = string
  default     = "BOTTLEROCKET_ARM_64"
}

variable "node_disk_gib" {
  description = "Each node's disk for images, logs and pods' own files, in GiB."
  type        = number
  default     = 40
  validation {
    condition     = var.node_disk_gib >= 20
    error_message = "node_disk_gib: 20 at least."
  }
}

variable "nodes" {
  description = "How many nodes there are at least and at most."
  type        = object({ min = number, max = number })
  default     = { min = 3, max = 9 }
  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min
    error_message = "nodes: min is at least 1, and max at least min."
  }
}

variable "protected" {
  description = "Whether it cannot be deleted."
  type        = bool
  default     = true
}

variable "log_days" {
  description = "How long the control plane's logs are kept, in days."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags on everything; `Owner` among them."
  type        = map(string)
  validation {
    condition     = contains(keys(var.tags), "Owner")
    error_message = "tags: must name an Owner."
  }
}
