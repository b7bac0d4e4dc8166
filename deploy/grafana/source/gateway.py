"""The REST edge."""

from panels import WINDOW, board, figure, graph, row, traces_of
from rows import process, quantile, rate

PROCESSES = "portico-(gateway|standalone)"
HERE = f'job=~"{PROCESSES}", instance=~"$instance"'


def dashboard():
    calls = quantile(0.99, ["grpc_method"], HERE)
    return board(
        "portico-gateway",
        "Portico / Gateway",
        "The REST edge: requests, upstreams and their contracts, caches.",
        [
            row(
                "Requests",
                graph("Requests", "reqps", (rate("http_requests_total", ["route"], HERE), "{{route}}"),
                      about="By route template; `unmatched` met no route.", stacked=True, width=12),
                graph("By status", "reqps", (rate("http_requests_total", ["status_code"], HERE), "{{status_code}}"),
                      about="By status code.", stacked=True, width=12),
                graph("99th percentile", "s",
                      (quantile(0.99, ["route"], HERE)("http_request_duration_seconds"), "{{route}}"),
                      about="To the head of the answer. A point leads to the slow traces of its time.",
                      traces=traces_of("portico-gateway", "http.route=${__field.labels.route}", "250ms"), width=12),
                graph("Refused", "reqps", (rate("gateway_refusals_total", ["rule"], HERE), "{{rule}}"),
                      about="By the rule that refused: `gateway/README.md` lists them, and the log has a line for each.",
                      stacked=True, width=12),
            ),
            row(
                "Connections",
                graph("Open", "short", (f"sum by (instance) (active_connections{{{HERE}}})", "{{instance}}"),
                      about="Client connections.", width=12),
                graph("Streams", "short", (f"sum by (instance) (gateway_open_streams{{{HERE}}})", "{{instance}}"),
                      about="Streamed requests that run: at most 1024 for each worker.", width=12),
            ),
            row(
                "Upstreams",
                figure("Reachable", "none", f"min(gateway_upstream_reachable{{{HERE}}})",
                       "0 when one of them does not answer.", bad=("<", 1)),
                figure("Routes", "none", f"sum(max by (upstream) (gateway_routes{{{HERE}}}))", "Routes that are served."),
                figure("Routes refused", "none", f"sum(max by (upstream) (gateway_routes_refused{{{HERE}}}))",
                       "Routes that an upstream claims and that cannot be served: the log names them.", bad=(">", 1)),
                graph("Calls", "reqps", (rate("grpc_client_handled_total", ["grpc_code"], HERE), "{{grpc_code}}"),
                      about="Calls to upstreams, by how they ended.", stacked=True, width=12),
                graph("Calls, 99th percentile", "s", (calls("grpc_client_handling_seconds"), "{{grpc_method}}"),
                      about="How long an upstream takes. What requests take beyond that is the gateway's own."),
                graph("Calls made again", "ops", (rate("gateway_upstream_retries_total", [], HERE), "retries"),
                      about="A connection failed and the call was made again. Empty when all is well; many during a "
                            "redeploy are as it should be."),
                graph("Contract refreshes", "ops",
                      (rate("gateway_contract_refreshes_total", ["upstream", "outcome"], HERE), "{{upstream}} {{outcome}}"),
                      about="`unchanged` is the usual; `failed` and `invalid` leave the last good contract in place."),
            ),
            row(
                "Tokens and caches",
                graph("Token checks", "ops", (rate("token_verifications_total", ["result"], HERE), "{{result}}"),
                      about="`remembered` costs next to nothing, `verified` a signature check; the others are refusals.",
                      stacked=True),
                graph("API keys found in memory", "percentunit",
                      (f'sum(rate(cache_lookups_total{{{HERE}, cache="api_keys", result="hit"}}[{WINDOW}])) / '
                       f'sum(rate(cache_lookups_total{{{HERE}, cache="api_keys"}}[{WINDOW}]))', "share"),
                      about="The rest is exchanged by the auth service."),
                graph("Without Redis", "none", (f"max by (instance) (cache_fallback_active{{{HERE}}})", "{{instance}}"),
                      about="1 while the process goes on without Redis, on its own counts."),
            ),
            row(
                "Overload",
                graph("Refused for want of room", "reqps",
                      (rate("gateway_shed_total", ["upstream", "priority"], HERE), "{{upstream}} {{priority}}"),
                      about="An upstream had more to do than it can. Empty when all is well.", width=6, stacked=True),
                graph("Calls under way at most", "short",
                      (f"min by (upstream) (gateway_upstream_limit{{{HERE}}})", "{{upstream}}"),
                      about="What a worker allows itself; falls when an upstream becomes slow.", width=6),
                graph("Endpoints left alone", "ops", (rate("upstream_ejections_total", ["reason"], HERE), "{{reason}}"),
                      about="Breakers that opened. Empty when all is well.", width=6),
                graph("Reads asked of a second endpoint", "ops", (rate("upstream_second_calls_total", [], HERE), "calls"),
                      about="Because the first was slow. Empty when all is well.", width=6),
            ),
            process(HERE),
        ],
        PROCESSES,
    )
