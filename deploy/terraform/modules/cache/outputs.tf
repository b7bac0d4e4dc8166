output "address" {
  description = "The primary's name, which follows a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}
