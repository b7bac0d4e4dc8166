# terraform -chdir=deploy/terraform/modules/chart init && terraform -chdir=deploy/terraform/modules/chart test
# That the chart takes them, deploy/terraform/check.sh shows.

variables {
  host           = "api.example.com"
  network_cidr   = "10.0.0.0/16"
  secrets_prefix = "portico/prod"
  redis_address  = "redis.example.com"
  administrator  = "ada@example.org"
  databases = {
    user = { address = "user.example.com", name = "portico", password_secret_arn = "arn:user" }
    auth = { address = "auth.example.com", name = "portico", password_secret_arn = "arn:auth" }
  }
}

run "says_where_things_are" {
  command = plan

  assert {
    condition     = yamldecode(output.values).auth.issuer == "https://api.example.com"
    error_message = "tokens are from the public host"
  }
  assert {
    condition     = yamldecode(output.values).networkPolicy.storesCidr == "10.0.0.0/16"
    error_message = "the stores are in the network"
  }
  assert {
    condition     = yamldecode(output.values).externalSecrets.databases.auth.secret == "arn:auth"
    error_message = "each service's password is where the provider keeps it"
  }
}

run "lets_the_ingress_controller_in_alone" {
  command = plan

  assert {
    condition     = yamldecode(output.values).networkPolicy.ingressNamespace == "ingress-nginx"
    error_message = "whoever reaches the gateway from the network is believed to be a proxy"
  }
}

run "leaves_mails_in_a_folder_by_itself" {
  command = plan

  assert {
    condition     = !contains(keys(yamldecode(output.values)), "smtp")
    error_message = "no server, no setting"
  }
  assert {
    condition     = !contains(keys(yamldecode(output.values)), "image")
    error_message = "images are from where the chart says"
  }
}

run "mails_by_a_server" {
  command = plan

  variables {
    smtp_url       = "smtps://portico:secret@mail.example.org"
    mail_from      = "Portico <no-reply@example.org>"
    image_registry = "ghcr.io/octo-org/"
  }
  assert {
    condition     = yamldecode(output.values).smtp == { enabled = true, from = "Portico <no-reply@example.org>", port = 465 }
    error_message = "the server's port is let through, and the URL stays in its secret"
  }
  assert {
    condition     = !strcontains(output.values, "mail.example.org")
    error_message = "no part of the URL is told"
  }
  assert {
    condition     = yamldecode(output.values).image.registry == "ghcr.io/octo-org/"
    error_message = "images are from the registry that the release pushes to"
  }
}

run "knows_a_mail_server_s_own_port" {
  command = plan

  variables {
    smtp_url  = "smtp://portico:a%3Ab@mail.example.org:2587?tls=required"
    mail_from = "no-reply@example.org"
  }
  assert {
    condition     = yamldecode(output.values).smtp.port == 2587
    error_message = "the port is the URL's"
  }
}

run "knows_the_port_of_starttls" {
  command = plan

  variables {
    smtp_url  = "smtp://mail.example.org?tls=required"
    mail_from = "no-reply@example.org"
  }
  assert {
    condition     = yamldecode(output.values).smtp.port == 587
    error_message = "587 without another"
  }
}

run "tells_an_overlay_the_same" {
  command = plan

  assert {
    condition = yamldecode(output.kustomize_settings).data == {
      secrets-prefix       = "portico/prod"
      redis                = "redis.example.com:6379"
      user-database        = "user.example.com:5432/portico?sslmode=require"
      user-database-secret = "arn:user"
      auth-database        = "auth.example.com:5432/portico?sslmode=require"
      auth-database-secret = "arn:auth"
    }
    error_message = "what its components look up, and nothing else"
  }
  assert {
    condition     = yamldecode(output.kustomize_settings).metadata.annotations["config.kubernetes.io/local-config"] == "true"
    error_message = "read while the overlay is rendered, and not deployed"
  }
}

run "refuses_mails_in_clear" {
  command = plan

  variables {
    smtp_url  = "smtp://portico:secret@mail.example.org:25"
    mail_from = "no-reply@example.org"
  }
  expect_failures = [var.smtp_url]
}

run "refuses_a_mail_server_without_a_sender" {
  command = plan

  variables {
    smtp_url = "smtps://mail.example.org"
  }
  expect_failures = [var.mail_from]
}

run "refuses_an_administrator_of_the_examples" {
  command = plan

  variables {
    administrator = "admin@example.com"
  }
  expect_failures = [var.administrator]
}

run "refuses_to_let_everybody_in" {
  command = plan

  variables {
    ingress_namespace = ""
  }
  expect_failures = [var.ingress_namespace]
}

run "refuses_a_url_as_host" {
  command = plan

  variables {
    host = "https://api.example.com"
  }
  expect_failures = [var.host]
}

run "refuses_what_is_no_block" {
  command = plan

  variables {
    network_cidr = "10.0.0.0"
  }
  expect_failures = [var.network_cidr]
}

run "wants_both_databases" {
  command = plan

  variables {
    databases = { user = { address = "user.example.com", name = "portico", password_secret_arn = "arn:user" } }
  }
  expect_failures = [var.databases]
}
