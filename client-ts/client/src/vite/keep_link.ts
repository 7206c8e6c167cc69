// Makes `createLink(options)` keep its link through hot reloads: `createLink(options, import.meta.hot)`.

/** What a parser gives, as far as it matters here. */
interface Node {
  type: string;
  start: number;
  end: number;
  callee?: Node & { name?: string };
  arguments?: Node[];
  [member: string]: unknown;
}

/** The changed code, or nothing when there is nothing to change. */
export function keepLinks(code: string, parse: (code: string) => unknown): string | undefined {
  if (!/["']@lastmile\/client["']/.test(code)) return undefined;
  const calls = find(parse(code) as Node).toSorted((one, other) => other.end - one.end);
  const changed = calls.reduce((text, call) => {
    const first = call.arguments?.length ? "" : "{}";
    return `${text.slice(0, call.end - 1).replace(/,\s*$/, "")}${first}, import.meta.hot)${text.slice(call.end)}`;
  }, code);
  return calls.length > 0 ? changed : undefined;
}

/** Calls of createLink that say nothing of hot reloads. */
function find(node: Node): Node[] {
  const isCall = node.type === "CallExpression" && node.callee?.name === "createLink" && (node.arguments?.length ?? 0) < 2;
  const below = Object.values(node).flatMap((member) => (Array.isArray(member) ? member : [member]));
  return [...(isCall ? [node] : []), ...below.filter(isNode).flatMap(find)];
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}
