output "writer_role_arn" {
  description = "For the annotation `eks.amazonaws.com/role-arn` of the service accounts that write in the zone."
  value       = aws_iam_role.writer.arn
}
