# Medians over the rounds, and their ratios to Envoy: each round's own ratio is taken first, so that a
# machine that is slower in one round is so for both.

BEGIN {
  FS = ","
  split("envoy alone checked traced recorded direct", edges, " ")
  name["envoy"] = "Envoy grpc_json_transcoder"
  name["alone"] = "gateway, translation alone"
  name["checked"] = "gateway, token, limits, metrics"
  name["traced"] = "gateway, the same and traces, a tenth"
  name["recorded"] = "gateway, the same and traces, all"
  name["direct"] = "no edge: gRPC client"
  split("one page", cases, " ")
  title["one"] = "GET one user"
  title["page"] = "GET a page of 100"
  goal["one", "alone"] = 3
  goal["one", "checked"] = 2
  goal["page", "alone"] = 8
  goal["page", "checked"] = 6
  # With everything on, traces included, the same is asked.
  goal["one", "traced"] = 2
  goal["page", "traced"] = 6
  count = split(resting, pairs, " ")
  for (i = 1; i <= count; i++) {
    split(pairs[i], pair, "=")
    rest[pair[1]] = pair[2]
  }
}

NR > 1 {
  rounds = $1 > rounds ? $1 : rounds
  for (i = 4; i <= 8; i++) value[$1, $2, $3, i] = $i
}

function median(edge, case_, column, by,    i, j, list, swap, size) {
  size = 0
  for (i = 1; i <= rounds; i++) {
    list[++size] = value[i, edge, case_, column]
    # Requests per CPU-second are the inverse of CPU time per request, and so is their ratio.
    if (by) list[size] = value[i, by, case_, column] / list[size]
  }
  for (i = 2; i <= size; i++)
    for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
      swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
    }
  return size % 2 ? list[(size + 1) / 2] : (list[size / 2] + list[size / 2 + 1]) / 2
}

function verdict(holds) { return holds ? "reached" : "MISSED" }

END {
  for (c = 1; c in cases; c++) {
    k = cases[c]
    printf "\n| %s | requests/s | p50 ms | p99 ms | CPU µs/request | RSS MB (at rest) | × Envoy per CPU-second |\n", title[k]
    print "|---|---|---|---|---|---|---|"
    for (e = 1; e in edges; e++) {
      g = edges[e]
      printf "| %s | %d | %.2f | %.2f |", name[g], median(g, k, 4), median(g, k, 5) / 1000, median(g, k, 6) / 1000
      if (g == "direct") { print " | | |"; continue }
      printf " %.1f | %.1f (%.1f) | %.2f |\n", median(g, k, 7), median(g, k, 8) / 1024, rest[g] / 1024, median(g, k, 7, "envoy")
    }
  }
  print "\n| Goal | asked | measured | |\n|---|---|---|---|"
  for (c = 1; c in cases; c++) {
    k = cases[c]
    for (e = 2; e <= 4; e++) {
      g = edges[e]
      ratio = median(g, k, 7, "envoy")
      printf "| %s: %s | %d × | %.2f × | %s |\n", title[k], name[g], goal[k, g], ratio, verdict(ratio >= goal[k, g])
      ours = median(g, k, 6); theirs = median("envoy", k, 6)
      printf "| the same: p99 | %.2f ms | %.2f ms | %s |\n", theirs / 1000, ours / 1000, verdict(ours <= theirs)
    }
  }
  # What traces add at the default sampling, within each round.
  for (c = 1; c in cases; c++) {
    k = cases[c]
    more = (1 / median("traced", k, 7, "checked") - 1) * 100
    printf "| %s: CPU for traces at default sampling | 15 %% | %.1f %% | %s |\n", title[k], more, verdict(more <= 15)
  }
  for (e = 2; e <= 5; e++) {
    g = edges[e]
    most = rest[g]
    for (c = 1; c in cases; c++) {
      loaded = median(g, cases[c], 8)
      if (loaded > most) most = loaded
    }
    printf "| %s: RSS, the most of all | 25 MB | %.1f MB | %s |\n", name[g], most / 1024, verdict(most <= 25 * 1024)
  }
}
