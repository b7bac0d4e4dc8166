output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Its block of addresses."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Where nodes go, one for each zone."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "public_subnet_ids" {
  description = "Where load balancers go, one for each zone."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "database_subnet_ids" {
  description = "Where databases and caches go, one for each zone."
  value       = [for zone in var.zones : aws_subnet.database[zone].id]
}

output "database_cidrs" {
  description = "Their blocks, for the NetworkPolicy that lets services reach them."
  value       = [for zone in var.zones : module.subnets.database[zone]]
}
