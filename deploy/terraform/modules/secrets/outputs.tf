output "redis_password" {
  description = "For the cache."
  value       = random_password.redis.result
  sensitive   = true
}

output "reader_role_arn" {
  description = "For the annotation `eks.amazonaws.com/role-arn` of External Secrets' service account."
  value       = aws_iam_role.reader.arn
}
