"""Prometheus' HTTP API, as far as the checks need it."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request


class Prometheus:
    def __init__(self, url):
        self.url = url

    def get(self, path, **parameters):
        """The data of an answer; an error of Prometheus is an exception that says what it was."""
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(f"{self.url}/api/v1/{path}?{query}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error).get("error", str(error))) from None

    def instant(self, expression):
        return self.get("query", query=expression)["result"]

    def over(self, expression, seconds):
        """The series of the last seconds, in steps of one."""
        now = time.time()
        return self.get("query_range", query=expression, start=now - seconds, end=now, step=1)["result"]

    def firing(self):
        """The alerts that fire: name → list of their labels and annotations."""
        alerts = {}
        for alert in self.get("alerts")["alerts"]:
            if alert["state"] == "firing":
                alerts.setdefault(alert["labels"]["alertname"], []).append(alert)
        return alerts

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def reload(self):
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/-/reload", method="POST"), timeout=10).close()
