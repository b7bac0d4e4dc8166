"""What people and clients do: sign-ins, factors, tokens, and what was refused."""

from panels import board, graph, row
from rows import rate

PROCESSES = "portico-(auth|standalone)"
HERE = f'job=~"{PROCESSES}", instance=~"$instance"'
ANYWHERE = 'job=~"portico-.*"'


def dashboard():
    def by(label, metric, title, about, **how):
        return graph(title, "ops", (rate(metric, [label], HERE), f"{{{{{label}}}}}"), about=about, **how)

    return board(
        "portico-identity",
        "Portico / Identity",
        "Sign-ins, second factors, tokens and refusals.",
        [
            row(
                "People",
                by("outcome", "auth_sign_ins_total", "Sign-ins",
                   "`challenged` goes on with a second factor. `refused` is a wrong password or an unknown address; "
                   "`limited` was not heard, after too many guesses.", stacked=True),
                by("outcome", "auth_second_factors_total", "Second factors", "By how they ended.", stacked=True),
                by("outcome", "auth_registrations_total", "Registrations", "By how they ended.", stacked=True),
                graph("Share of sign-ins that were refused", "percentunit",
                      ("portico:sign_ins_refused:ratio_rate10m", "share"),
                      about="A surge is somebody who tries passwords, or a client with an old one.", width=12),
                graph("Guesses refused unheard", "ops", (rate("auth_attempts_refused_total", [], HERE), "guesses"),
                      about="Above the allowance of an account, an address or a device.", width=12),
            ),
            row(
                "Sessions",
                by("outcome", "auth_refreshes_total", "Refreshes", "By how they ended.", stacked=True),
                graph("Used refresh tokens that came back", "short",
                      (f"sum(increase(refresh_reuse_total{{{HERE}}}[1h])) or vector(0)", "in an hour"),
                      about="Each ended its session: a token was stolen, or a client keeps old ones."),
                graph("Sessions denied", "short", (f"max(denylist_entries{{{ANYWHERE}}})", "entries"),
                      about="Ended within the life of an access token."),
            ),
            row(
                "Clients and keys",
                by("grant", "oauth_tokens_total", "Tokens for clients", "By grant type.", stacked=True),
                graph("Clients that could not prove who they are", "ops",
                      (rate("oauth_client_refusals_total", [], HERE), "refusals"), about="Wrong secret or assertion."),
                graph("Token checks refused", "ops",
                      (rate("token_verifications_total", ["job", "result"], ANYWHERE,
                            'result!~"remembered|verified"'), "{{job}} {{result}}"),
                      about="By process and reason. Expired ones are everyday; a forged signature is not."),
            ),
            row(
                "Refusals at the edge",
                graph("Unauthorised, forbidden, too many", "reqps",
                      (rate("http_requests_total", ["status_code", "route"], ANYWHERE, 'status_code=~"401|403|429"'),
                       "{{status_code}} {{route}}"),
                      about="By route template.", width=24, stacked=True),
            ),
        ],
        PROCESSES,
    )
