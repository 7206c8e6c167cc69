/** Checks an event before it is sent, so that a slip is shown where it was typed. */

export interface Draft {
  type: string;
  /** JSON as it was typed. */
  text: string;
}

export type Checked = { ok: true; type: string; data: unknown } | { ok: false; type: string; text: string };

const TYPE = /^[A-Za-z0-9_.:-]{1,64}$/;
const RESERVED = /^(open|error|message|lm-.*)$/;

/** The event, or what is wrong with each field (empty when that one is fine). */
export function checkDraft(draft: Draft): Checked {
  const type = checkType(draft.type);
  const parsed = parseJson(draft.text);
  if (!type && "value" in parsed) return { ok: true, type: draft.type, data: parsed.value };
  return { ok: false, type, text: "error" in parsed ? parsed.error : "" };
}

export function checkType(type: string): string {
  if (!type) return "Name the event, for example note.";
  if (!TYPE.test(type)) return "At most 64 letters, digits and _ . : - .";
  if (RESERVED.test(type)) return "open, error, message and lm-… belong to EventSource and the edge.";
  return "";
}

function parseJson(text: string): { value: unknown } | { error: string } {
  if (!text.trim()) return { error: "Write a JSON value, for example {}." };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `Not JSON yet: ${placeOf(text, error)}` };
  }
}

/** V8 names an offset, which nobody can find in a text; line and column can be found. */
function placeOf(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const offset = /at position (\d+)/.exec(message)?.[1];
  if (!offset) return message;
  const lines = text.slice(0, Number(offset)).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1) ?? "").length + 1}.`;
}
