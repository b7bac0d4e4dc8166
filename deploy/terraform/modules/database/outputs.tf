output "address" {
  description = "The server's name."
  value       = aws_db_instance.this.address
}

output "name" {
  description = "The database's name."
  value       = aws_db_instance.this.db_name
}

output "password_secret_arn" {
  description = "Where AWS keeps the password, which it changes by itself."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}
