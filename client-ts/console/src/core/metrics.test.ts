import { expect, test } from "vitest";
import { addReading, figure, noHistory, parseMetrics } from "./metrics.ts";

const text = `# HELP a_total Things, with {braces}.
# TYPE a_total counter
a_total{face="sse",code="OK"} 3
a_total{face="ws"} 4
# HELP b Bytes.
# TYPE b gauge
b 1.5e3
# TYPE wait histogram
wait_bucket{le="1"} 2
wait_bucket{le="+Inf"} 5
wait_sum 9
wait_count 5
loose 7
`;

test("reads families, their labels added up", () => {
  expect(parseMetrics(text)).toEqual([
    { name: "a_total", kind: "counter", help: "Things, with {braces}.", value: 7 },
    { name: "b", kind: "gauge", help: "Bytes.", value: 1500 },
    { name: "wait", kind: "histogram", help: "", value: 5 },
    { name: "loose", kind: "untyped", help: "", value: 7 },
  ]);
});

test("counters are drawn as rates, gauges as they are, and a restart is no drop", () => {
  const reading = (total: number) => [
    { name: "total", kind: "counter", help: "", value: total },
    { name: "now", kind: "gauge", help: "", value: total },
  ];
  let history = noHistory;
  for (const [time, total] of [[10, 100], [12, 110], [14, 4]] as const) history = addReading(history, reading(total), time);
  expect(history.drawn).toEqual({ total: [null, 5, 2], now: [100, 110, 4] });
  history = addReading(history, [...reading(4), { name: "new", kind: "gauge", help: "", value: 1 }], 16);
  expect([history.drawn.new, history.times]).toEqual([[null, null, null, 1], [10, 12, 14, 16]]);
});

test.each([
  [null, "–"],
  [0.04, "0"],
  [1234.56, "1,234.6"],
  [2_500_000, "2.5M"],
])("writes %j as %s", (value, written) => expect(figure(value)).toBe(written));
