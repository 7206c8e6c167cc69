/** The little Markdown that comments of proto files hold. */

export interface Span {
  text: string;
  code: boolean;
}

/** Paragraphs and list items, each on one line however the source was wrapped. */
export function paragraphs(text: string): Span[][] {
  const blocks = text.split(/\n\s*\n|\n(?=\s*[-*] )/).map((block) => block.replaceAll(/\s*\n\s*/g, " ").trim());
  return blocks.filter(Boolean).map(spans);
}

/** Every second part between backticks is code. */
function spans(line: string): Span[] {
  const parts = line.split("`");
  // A backtick without its mate is only a character.
  if (parts.length % 2 === 0) parts.push(`${parts.splice(-2, 2).join("`")}`);
  return parts.map((part, index) => ({ text: part, code: index % 2 === 1 })).filter((span) => span.text);
}
