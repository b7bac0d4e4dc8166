"""Rows that stand on several dashboards. Each takes what picks out its processes: a PromQL selector."""

from panels import WINDOW, figure, graph, row


def quantile(of, by, selector, *extra):
    """The expression of a quantile over the buckets of a histogram."""
    labels = ", ".join([*by, "le"])
    matchers = ", ".join(filter(None, [selector, *extra]))
    return lambda metric: (
        f"histogram_quantile({of}, sum by ({labels}) (rate({metric}_bucket{{{matchers}}}[{WINDOW}])))"
    )


def rate(metric, by, *matchers):
    """Events a second, summed by some labels."""
    inside = ", ".join(filter(None, matchers))
    grouped = f" by ({', '.join(by)})" if by else ""
    return f"sum{grouped} (rate({metric}{{{inside}}}[{WINDOW}]))"


def process(here):
    """What a process takes of its machine, and whether it is ready."""
    return row(
        "The process",
        figure("Up", "none", f"sum(up{{{here}}})", "How many instances answer the scrape.", bad=("<", 1)),
        figure("Version", "none", f"max by (version) (portico_build_info{{{here}}})",
               "One series for each version that runs: more than one only while a rollout is under way.")
        .text_mode("name"),
        figure("Not ready", "none", f"sum(readiness_check_up{{{here}}} == bool 0)",
               "Checks that are down: /ready on the ops port names them.", bad=(">", 1)),
        figure("Errors logged", "short", f'sum(increase(log_lines_total{{{here}, level="ERROR"}}[1h])) or vector(0)',
               "Lines at ERROR in an hour. Each tells of something to mend.", bad=(">", 1)),
        figure("Started", "dateTimeFromNow", f"1000 * max(process_start_time_seconds{{{here}}})",
               "When the youngest process started.", width=8),
        graph("CPU", "percentunit", (f"rate(process_cpu_seconds_total{{{here}}}[{WINDOW}])", "{{instance}}"),
              about="1 is one core.", width=6),
        graph("Memory", "bytes", (f"process_resident_memory_bytes{{{here}}}", "{{instance}}"),
              about="What is resident. It should be flat under a steady load.", width=6),
        graph("Files and sockets", "short",
              (f"process_open_fds{{{here}}}", "{{instance}} open"),
              (f"process_max_fds{{{here}}}", "{{instance}} at most"),
              about="At the limit no connection can be taken any more.", width=6),
        graph("Busy threads of the runtime", "percentunit",
              (f"rate(tokio_busy_seconds_total{{{here}}}[{WINDOW}]) / on (instance, runtime) "
               f"tokio_workers{{{here}}}", "{{instance}} {{runtime}}"),
              about="At 1 tasks wait for a thread; what blocks a thread shows here too.", width=6),
    )


def served(here):
    """The gRPC calls that a service answers."""
    mine = [here, 'grpc_service!~"grpc.*"']
    slow = quantile(0.99, ["grpc_service", "grpc_method"], here, 'grpc_service!~"grpc.*"')
    return row(
        "gRPC calls answered",
        graph("Calls", "reqps", (rate("grpc_server_handled_total", ["grpc_method"], *mine), "{{grpc_method}}"),
              about="By method.", stacked=True),
        graph("Calls that failed by the service's fault", "reqps",
              (rate("grpc_server_handled_total", ["grpc_method", "grpc_code"], *mine,
                    'grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"'),
               "{{grpc_method}} {{grpc_code}}"),
              about="Empty when all is well. Refusals (PermissionDenied, NotFound, …) are not among them."),
        graph("99th percentile", "s", (slow("grpc_server_handling_seconds"), "{{grpc_method}}"),
              about="Time to the last byte of the answer. Streams (Watch…) last as long as somebody listens."),
    )


def database(name):
    """The pool and the statements of one service's database."""
    mine = f'database="{name}", instance=~"$instance"'
    statements = quantile(0.99, ["operation", "table"], mine)
    return row(
        "Database",
        graph("Pool", "short",
              (f"sum by (state) (db_pool_connections{{{mine}}})", "{{state}}"),
              (f"sum(db_pool_max_connections{{{mine}}})", "at most"),
              about="When all are used and none is idle, requests wait for one.", width=6),
        graph("Waits for a connection", "ops",
              (rate("db_pool_wait_seconds_count", [], f'job=~"portico-({name}|standalone)"'), "waits"),
              (rate("db_pool_timeouts_total", [], f'job=~"portico-({name}|standalone)"'), "timeouts"),
              about="Waits above 1 ms, and those that ended after 5 s with nothing.", width=6),
        graph("Statements", "ops",
              (rate("db_statement_duration_seconds_count", ["operation", "table"], mine), "{{operation}} {{table}}"),
              about="By operation and the first table that the statement names.", width=6, stacked=True),
        graph("Statements, 99th percentile", "s",
              (statements("db_statement_duration_seconds"), "{{operation}} {{table}}"),
              about="A lock, a missing index or a slow disk shows here first.", width=6),
    )
