# The block is cut into 16 parts of equal size: 0 to 3 public, 4 to 7 private, 8 to 11 databases; the rest is kept.

output "public" {
  description = "The block of each zone's public subnet."
  value       = { for zone, index in local.zones : zone => cidrsubnet(var.cidr, 4, index) }
}

output "private" {
  description = "The block of each zone's private subnet."
  value       = { for zone, index in local.zones : zone => cidrsubnet(var.cidr, 4, index + 4) }
}

output "database" {
  description = "The block of each zone's database subnet."
  value       = { for zone, index in local.zones : zone => cidrsubnet(var.cidr, 4, index + 8) }
}

output "nat_zones" {
  description = "The zones that have a NAT gateway. One in each keeps a zone's loss within it; one for all costs a third."
  value       = var.single_nat_gateway ? slice(var.zones, 0, 1) : var.zones
}

output "nat_zone" {
  description = "Whose NAT gateway each zone uses."
  value       = { for zone in var.zones : zone => var.single_nat_gateway ? var.zones[0] : zone }
}
