"""What all dashboards share: how a panel looks, and what a row of a service's process holds.

The builders are Grafana's own (Foundation SDK), so what they write fits the schema of its dashboards.
"""

import itertools
import json
from urllib.parse import quote

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
WINDOW = "$__rate_interval"
WIDTH = 24


def query(expression, legend, at=0):
    """A series of a panel; the name of its legend may hold labels: {{route}}."""
    built = prometheus.Dataquery().expr(expression).legend_format(legend)
    return built.range().ref_id(chr(ord("A") + at)).datasource(PROMETHEUS)


def graph(title, unit, *series, about, width=8, stacked=False, traces=None):
    """Lines over time. `series` are pairs of an expression and its legend; `about` says how to read it."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .height(8)
        .span(width)
        .fill_opacity(12 if stacked else 0)
        .line_width(1)
        .show_points(kinds.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(kinds.LegendDisplayMode.TABLE)
            .placement(kinds.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(kinds.TooltipDisplayMode.MULTI)
            .sort(kinds.SortOrder.DESCENDING)
        )
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if traces:
        panel.data_links([traces])
    for at, (expression, legend) in enumerate(series):
        panel.with_target(query(expression, legend, at))
    return panel


def figure(title, unit, expression, about, bad=None, width=4):
    """One number. `bad` is where it turns red: (">", 5) or ("<", 1); without it stays as it is."""
    steps = {
        None: [Threshold(value=None, color="text")],
        ">": [Threshold(value=None, color="green"), Threshold(value=bad and bad[1], color="red")],
        "<": [Threshold(value=None, color="red"), Threshold(value=bad and bad[1], color="green")],
    }[bad and bad[0]]
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .unit(unit)
        .height(4)
        .span(width)
        .no_value("–")
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(query(expression, ""))
    )


def traces_of(service, tags=None, slower_than=None):
    """From a point of a panel to the traces around it, in Jaeger's search: the exporter of the processes
    writes no exemplars, which would lead to one trace."""
    search = {"refId": "A", "datasource": {"type": "jaeger", "uid": "jaeger"}, "queryType": "search",
              "service": service}
    if tags:
        search["tags"] = tags
    if slower_than:
        search["minDuration"] = slower_than
    panes = {"traces": {"datasource": "jaeger", "queries": [search],
                        "range": {"from": "${__from}", "to": "${__to}"}}}
    # Grafana fills in ${…} itself, so these stay as they are.
    url = "/explore?schemaVersion=1&panes=" + quote(json.dumps(panes), safe="${}._")
    return dashboard.DashboardLink("Traces of this time").url(url).target_blank(True)


def row(title, *panels):
    """A row that is open, and its panels from left to right."""
    return title, panels


def board(uid, title, about, rows, processes):
    """A dashboard. `processes` is what `up` has of the processes that it is about; `$instance` chooses."""
    instance = (
        dashboard.QueryVariable("instance")
        .label("Instance")
        .datasource(PROMETHEUS)
        .query(f'label_values(up{{job=~"{processes}"}}, instance)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["portico"])
        .readonly()
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .with_variable(instance)
        .link(
            dashboard.DashboardLink("Portico")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["portico"])
            .keep_time(True)
            .as_dropdown(True)
            .icon("external link")
        )
    )
    ids = itertools.count(1)
    for name, panels in rows:
        made.with_row(dashboard.Row(name).id(next(ids)))
        for panel in panels:
            made.with_panel(panel.id(next(ids)))
    return made.build()
