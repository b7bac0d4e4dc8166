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
  default     = "10.1.0.0/16"
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
