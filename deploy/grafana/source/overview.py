"""The four golden signals of the whole system: what is asked for, how much fails, how long it takes, how full it is."""

from panels import WINDOW, board, figure, graph, row, traces_of
from rows import quantile, rate

PROCESSES = "portico-.*"
HERE = f'job=~"{PROCESSES}", instance=~"$instance"'
EDGE = f'{HERE}, route!~"/health|/ready"'


def dashboard():
    slow = quantile(0.99, ["route"], EDGE)
    return board(
        "portico-overview",
        "Portico / Overview",
        "Traffic, errors, latency and saturation of the whole system. Start here.",
        [
            row(
                "Is it well?",
                figure("Processes up", "none", f"sum(up{{{HERE}}})", "Processes that answer the scrape.", bad=("<", 1)),
                figure("Alerts", "none", 'count(ALERTS{alertstate="firing", alertname=~"Portico.*"}) or vector(0)',
                       "Alerts that fire: RUNBOOK.md in deploy/prometheus says what to do.", bad=(">", 1)),
                figure("Answered well, 1 h", "percentunit", '1 - portico:slo_errors:ratio_rate1h{slo="edge-availability"}',
                       "Requests that did not end in a 5xx. The objective is 99.9 % over 30 days.", bad=("<", 0.999)),
                figure("Answered within 500 ms, 1 h", "percentunit",
                       '1 - portico:slo_errors:ratio_rate1h{slo="edge-latency"}',
                       "The objective is 99 % over 30 days.", bad=("<", 0.99)),
                figure("Sign-ins answered, 1 h", "percentunit", '1 - portico:slo_errors:ratio_rate1h{slo="sign-in"}',
                       "Sign-ins and refreshes that failed by no fault of ours. The objective is 99.9 %.",
                       bad=("<", 0.999)),
                figure("Budget left, 3 d", "percentunit",
                       "min(1 - portico:slo_errors:ratio_rate3d / on (slo) portico:slo_budget:ratio)",
                       "Of the objective that is worst off, at the pace of three days. Below 0 it will not be met.",
                       bad=("<", 0)),
            ),
            row(
                "Traffic",
                graph("Requests", "reqps", (rate("http_requests_total", ["route"], EDGE), "{{route}}"),
                      about="By route template.", stacked=True),
                graph("Connections and streams", "short", (f"sum(active_connections{{{HERE}}})", "connections"),
                      (f"sum(gateway_open_streams{{{HERE}}})", "streams"), about="Open at this moment."),
                graph("Sign-ins", "ops", (f"sum by (outcome) (rate(auth_sign_ins_total[{WINDOW}]))", "{{outcome}}"),
                      about="By how they ended.", stacked=True),
            ),
            row(
                "Errors",
                graph("5xx", "reqps", (rate("http_requests_total", ["route", "status_code"], EDGE, 'status_code=~"5.."'),
                                       "{{status_code}} {{route}}"),
                      about="Empty when all is well.", traces=traces_of("portico-gateway", "error=true")),
                graph("4xx", "reqps", (rate("http_requests_total", ["status_code"], EDGE, 'status_code=~"4.."'),
                                       "{{status_code}}"), about="What clients did wrong, or may not do.", stacked=True),
                graph("gRPC failures between processes", "reqps",
                      (rate("grpc_client_handled_total", ["grpc_method", "grpc_code"], HERE,
                            'grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss"'),
                       "{{grpc_method}} {{grpc_code}}"),
                      about="Calls of one process to another that failed by the callee's fault. Empty when all is well."),
            ),
            row(
                "Latency",
                graph("Requests, percentiles", "s",
                      *((quantile(q, [], EDGE)("http_request_duration_seconds"), f"p{100 * q:g}") for q in (0.5, 0.9, 0.99)),
                      about="To the head of the answer, over all routes.",
                      traces=traces_of("portico-gateway", slower_than="250ms")),
                graph("Requests, 99th percentile by route", "s", (slow("http_request_duration_seconds"), "{{route}}"),
                      about="A point leads to the slow traces of its time.",
                      traces=traces_of("portico-gateway", "http.route=${__field.labels.route}", "250ms")),
                graph("Statements, 99th percentile", "s",
                      (quantile(0.99, ["database"], HERE)("db_statement_duration_seconds"), "{{database}}"),
                      about="Over all statements of a database."),
            ),
            row(
                "Saturation",
                graph("CPU", "percentunit", (f"sum by (job) (rate(process_cpu_seconds_total{{{HERE}}}[{WINDOW}]))", "{{job}}"),
                      about="1 is one core.", width=6),
                graph("Memory", "bytes", (f"sum by (job) (process_resident_memory_bytes{{{HERE}}})", "{{job}}"),
                      about="Resident.", width=6),
                graph("Pools in use", "percentunit",
                      (f'sum by (database) (db_pool_connections{{{HERE}, state="used"}}) / '
                       f"sum by (database) (db_pool_max_connections{{{HERE}}})", "{{database}}"),
                      about="At 1 requests wait for a connection.", width=6),
                graph("Queues", "percentunit",
                      (f"sum(auth_hashing_queue{{{HERE}}}) / sum(auth_hashing_queue_limit{{{HERE}}})", "hashing"),
                      (f"sum(trace_spans_queued{{{HERE}}}) / (2048 * count(trace_spans_queued{{{HERE}}}))", "spans"),
                      about="How full they are. A full one refuses (hashing: 429) or drops (spans).", width=6),
            ),
            row(
                "Traces",
                graph("Spans handed over", "ops", (rate("trace_spans_exported_total", ["job"], HERE), "{{job}}"),
                      about="What the collector took. Nothing where traces are not exported.", width=12),
                graph("Spans dropped", "ops", (rate("trace_spans_dropped_total", ["job", "reason"], HERE), "{{job}} {{reason}}"),
                      about="Because the collector is away (`export_failed`) or slow (`queue_full`). Empty when all is well.",
                      width=12),
            ),
        ],
        PROCESSES,
    )
