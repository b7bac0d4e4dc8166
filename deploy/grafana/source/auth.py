"""The auth service as a process; what people and clients do with it is in identity.py."""

from panels import board, figure, graph, row
from rows import database, process, quantile, rate, served

PROCESSES = "portico-(auth|standalone)"
HERE = f'job=~"{PROCESSES}", instance=~"$instance"'


def dashboard():
    def seconds(metric):
        return [(quantile(q, [], HERE)(metric), f"p{100 * q:g}") for q in (0.5, 0.99)]

    return board(
        "portico-auth",
        "Portico / Auth service",
        "Calls, hashing, signing keys, mails, the copy of accounts, and the database.",
        [
            served(f'{HERE}, grpc_service=~"portico.auth.*"'),
            row(
                "Password hashing",
                graph("Queue", "short", (f"sum(auth_hashing_queue{{{HERE}}})", "waiting"),
                      (f"sum(auth_hashing_queue_limit{{{HERE}}})", "at most"),
                      about="When it is full, sign-ins are refused with 429.", width=6),
                graph("Refused", "ops", (rate("auth_hashing_refused_total", [], HERE), "refused"),
                      about="Empty when all is well.", width=6),
                graph("Wait for a thread", "s", *seconds("auth_hashing_wait_seconds"), about="Before hashing begins.",
                      width=6),
                graph("One hash", "s", *seconds("auth_hashing_seconds"),
                      about="What the parameters cost on this machine; rises when the machine is full.", width=6),
            ),
            row(
                "Signing keys",
                figure("Age by period", "percentunit",
                       f"max(auth_signing_key_age_seconds{{{HERE}}} / auth_signing_key_period_seconds{{{HERE}}})",
                       "Above 1 the rotation is late.", bad=(">", 1.1), width=6),
                figure("Key that follows", "none", f'min(auth_signing_keys{{{HERE}, state="next"}})',
                       "Published before it signs.", bad=("<", 1), width=6),
                graph("Keys", "short", (f"max by (state) (auth_signing_keys{{{HERE}}})", "{{state}}"),
                      about="Former ones stay until their last token is dead.", width=12),
            ),
            row(
                "Mails",
                graph("Waiting", "short", (f"max(auth_mails_waiting{{{HERE}}})", "mails"), about="In the outbox."),
                graph("Age of the oldest", "s", (f"max(auth_mails_oldest_seconds{{{HERE}}})", "age"),
                      about="Rises steadily when the mail server takes nothing."),
                graph("By how they ended", "ops", (rate("auth_mails_total", ["kind", "outcome"], HERE), "{{kind}} {{outcome}}"),
                      about="`later` is tried again; `given_up` and `too_old` are lost; `nobody` had no one to go to.",
                      stacked=True),
            ),
            row(
                "Copy of the accounts",
                graph("Followers of the feed", "none", (f"sum(auth_feed_connected{{{HERE}}})", "connected"),
                      about="Exactly one auth process follows."),
                graph("Events applied", "ops", (rate("auth_feed_events_total", [], HERE), "events"),
                      about="Changes of accounts and roles."),
                graph("Lag", "s", (f"max(auth_feed_lag_seconds{{{HERE}}})", "lag"),
                      about="How old the last event was when it was applied."),
            ),
            row(
                "Upkeep and caches",
                graph("Rows removed", "ops", (rate("auth_rows_expired_total", ["table"], HERE), "{{table}}"),
                      about="Rows whose time is over, every ten minutes."),
                graph("Look-ups of clients", "ops",
                      (rate("cache_lookups_total", ["cache", "result"], HERE), "{{cache}} {{result}}"),
                      about="A hit costs no statement."),
                graph("Errors of Redis", "ops", (rate("cache_errors_total", ["operation"], HERE), "{{operation}}"),
                      about="Empty when all is well."),
            ),
            database("auth"),
            process(HERE),
        ],
        PROCESSES,
    )
