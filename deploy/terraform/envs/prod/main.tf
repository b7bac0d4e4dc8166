# For real. Everything of one environment, each thing from its module.

terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.9"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
  # The bucket is made once, by hand: versioned, encrypted, closed to the public. `terraform init
  # -backend-config=backend.hcl` names it.
  backend "s3" {
    key          = "portico/prod.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

locals {
  name = "portico-prod"
  tags = {
    Project     = "portico"
    Environment = "prod"
    Owner       = var.owner
    ManagedBy   = "terraform"
  }
}

data "aws_caller_identity" "current" {}

# One key for everything of this environment; whoever administers the account administers it.
resource "aws_kms_key" "this" {
  description             = "Portico prod"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Action    = "kms:*"
        Resource  = "*"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Action    = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${var.region}:${data.aws_caller_identity.current.account_id}:*"
          }
        }
      },
    ]
  })
  tags = local.tags
}

module "network" {
  source             = "../../modules/network"
  name               = local.name
  cidr               = var.cidr
  zones              = var.zones
  single_nat_gateway = false
  kms_key_arn        = aws_kms_key.this.arn
  tags               = local.tags
}

module "cluster" {
  source              = "../../modules/cluster"
  name                = local.name
  subnet_ids          = module.network.private_subnet_ids
  public_access_cidrs = var.public_access_cidrs
  administrator_arns  = var.administrator_arns
  kms_key_arn         = aws_kms_key.this.arn
  protected           = true
  nodes               = { min = 3, max = 9 }
  tags                = local.tags
}

module "database" {
  source                   = "../../modules/database"
  for_each                 = toset(["user", "auth"])
  name                     = local.name
  service                  = each.key
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.database_subnet_ids
  client_security_group_id = module.cluster.security_group_id
  instance_class           = "db.m7g.large"
  multi_az                 = true
  protected                = true
  kms_key_arn              = aws_kms_key.this.arn
  tags                     = local.tags
}

module "secrets" {
  source               = "../../modules/secrets"
  name                 = local.name
  prefix               = "portico/prod"
  database_secret_arns = [for database in module.database : database.password_secret_arn]
  redis_address        = module.cache.address
  smtp_url             = var.smtp_url
  oidc_provider_arn    = module.cluster.oidc_provider_arn
  oidc_issuer          = module.cluster.oidc_issuer
  recovery_days        = 30
  kms_key_arn          = aws_kms_key.this.arn
  tags                 = local.tags
}

module "cache" {
  source                   = "../../modules/cache"
  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.database_subnet_ids
  client_security_group_id = module.cluster.security_group_id
  replicas                 = 1
  auth_token               = module.secrets.redis_password
  kms_key_arn              = aws_kms_key.this.arn
  tags                     = local.tags
}

module "dns" {
  source            = "../../modules/dns"
  name              = local.name
  zone              = var.zone
  host              = var.host
  oidc_provider_arn = module.cluster.oidc_provider_arn
  oidc_issuer       = module.cluster.oidc_issuer
  tags              = local.tags
}

# Where GitHub delivers from, if it does.
module "delivery" {
  source            = "../../modules/delivery"
  count             = var.github_repository == null ? 0 : 1
  name              = local.name
  repository        = var.github_repository
  environment       = "prod"
  oidc_provider_arn = var.github_oidc_provider_arn
  cluster_name      = module.cluster.name
  cluster_arn       = module.cluster.arn
  tags              = local.tags
}

module "chart" {
  source            = "../../modules/chart"
  host              = var.host
  administrator     = var.administrator
  network_cidr      = module.network.cidr
  ingress_namespace = var.ingress_namespace
  secrets_prefix    = "portico/prod"
  redis_address     = module.cache.address
  databases         = module.database
  smtp_url          = var.smtp_url
  mail_from         = var.mail_from
  image_registry    = var.image_registry
}
