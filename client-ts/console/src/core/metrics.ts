/** The edge's numbers as they are read again and again: counters become rates, gauges stay what they are. */

export interface Family {
  name: string;
  kind: string;
  help: string;
  /** The sum of its samples, whatever their labels. */
  value: number;
}

/** Reads the text format of Prometheus. Of a histogram or summary only the count is kept. */
export function parseMetrics(text: string): Family[] {
  const families = new Map<string, Family>();
  const family = (name: string): Family => {
    const known = families.get(name) ?? { name, kind: "untyped", help: "", value: 0 };
    families.set(name, known);
    return known;
  };
  for (const line of text.split("\n")) {
    const meta = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line);
    if (meta?.[1] === "HELP") family(meta[2]!).help = meta[3]!;
    else if (meta) family(meta[2]!).kind = meta[3]!;
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (!sample) continue;
    const [, name = "", value] = sample;
    const base = name.replace(/_(bucket|sum|count)$/, "");
    if (!families.has(base)) family(name).value += Number(value);
    else if (name === base || name.endsWith("_count")) family(base).value += Number(value);
  }
  return [...families.values()];
}

export function isCounted({ kind }: Pick<Family, "kind">): boolean {
  return kind !== "gauge" && kind !== "untyped";
}

/** What was read so far: for each moment the value of each family, as it is drawn. */
export interface History {
  /** Seconds since 1970. */
  times: number[];
  /** Per second for counters; null where nothing is known. */
  drawn: { [name: string]: (number | null)[] };
  /** As they were read the last time. */
  families: Family[];
}

export const noHistory: History = { times: [], drawn: {}, families: [] };

/** So many moments are kept. */
const KEPT = 150;

export function addReading(history: History, families: Family[], time: number): History {
  const before = new Map(history.families.map(({ name, value }) => [name, value]));
  const elapsed = time - (history.times.at(-1) ?? time);
  const drawn: History["drawn"] = {};
  for (const family of families) {
    const past = history.drawn[family.name] ?? history.times.map(() => null);
    drawn[family.name] = [...past, value(family, before.get(family.name), elapsed)].slice(-KEPT);
  }
  return { times: [...history.times, time].slice(-KEPT), drawn, families };
}

function value(family: Family, before: number | undefined, elapsed: number): number | null {
  if (!isCounted(family)) return family.value;
  if (before === undefined || elapsed <= 0) return null;
  // A process that began anew counts from zero.
  const grown = family.value >= before ? family.value - before : family.value;
  return grown / elapsed;
}

/** Figures that fit: 1,234 or 1.2 k, and no more digits than anybody reads. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 10_000) return compact.format(value);
  return plain.format(value);
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
