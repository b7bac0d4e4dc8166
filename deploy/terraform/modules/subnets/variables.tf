variable "cidr" {
  description = "The network's block of addresses, between /16 and /20."
  type        = string
  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr: an IPv4 block between /16 and /20, such as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "The availability zones, two to four of them."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones: two to four different availability zones."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones: cheaper, and one zone's loss cuts all off from outside."
  type        = bool
  default     = false
}
