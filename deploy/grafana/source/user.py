"""The user service."""

from panels import board, graph, row
from rows import database, process, rate, served

PROCESSES = "portico-(user|standalone)"
HERE = f'job=~"{PROCESSES}", instance=~"$instance"'


def dashboard():
    return board(
        "portico-user",
        "Portico / User service",
        "Accounts: calls, database, and the feed of events that other services follow.",
        [
            served(f'{HERE}, grpc_service=~"portico.user.*"'),
            row(
                "Feed of events",
                graph("Not yet acknowledged", "short", (f"max(user_outbox_unread_events{{{HERE}}})", "events"),
                      about="Events that the slowest consumer has not acknowledged.", width=6),
                graph("Age of the oldest of them", "s", (f"max(user_outbox_unread_seconds{{{HERE}}})", "age"),
                      about="Consumers acknowledge once a minute, so a minute and a half is ordinary.", width=6),
                graph("Given to listeners", "ops", (rate("user_outbox_delivered_total", [], HERE), "events"),
                      about="To the auth service and to whoever else listens.", width=6),
                graph("Lag of the last one", "s", (f"max(user_outbox_lag_seconds{{{HERE}}})", "lag"),
                      about="How old the last event was when it was given out. High when a listener resumes far back.",
                      width=6),
            ),
            row(
                "Upkeep",
                graph("Old events removed", "ops", (rate("user_outbox_removed_total", [], HERE), "events"),
                      about="Events are kept for days; this is empty until the first are old enough.", width=12),
                graph("Accounts erased", "ops", (rate("user_accounts_purged_total", [], HERE), "accounts"),
                      about="Deleted accounts whose time to be undeleted is over.", width=12),
            ),
            database("user"),
            process(HERE),
        ],
        PROCESSES,
    )
