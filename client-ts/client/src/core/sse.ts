/** Parses a stream of server-sent events (WHATWG HTML, section 9.2.6), wherever the bytes were cut. */

/** What stands between two blank lines; also an id or a retry time alone, which fire no event in an EventSource. */
export interface Block {
  event?: string;
  data?: string;
  id?: string;
  retry?: number;
}

/** Takes text as it comes, and gives the blocks that it completes. */
export function sseParser(): (text: string) => Block[] {
  let rest = "";
  let block: Block = {};
  let endedInReturn = false;
  return (text) => {
    const blocks: Block[] = [];
    if (!text) return blocks;
    // CR, LF and CRLF all end a line: an LF that follows a CR of the text before ends none.
    const from = endedInReturn && text[0] === "\n" ? 1 : 0;
    endedInReturn = text.endsWith("\r");
    const lines = (rest + text.slice(from)).split(/\r\n|\r|\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line) {
        read(line, block);
      } else if (Object.keys(block).length > 0) {
        blocks.push(block);
        block = {};
      }
    }
    return blocks;
  };
}

function read(line: string, block: Block): void {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
  if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
  else if (name === "event") block.event = value;
  else if (name === "id" && !value.includes("\0")) block.id = value;
  else if (name === "retry" && /^\d+$/.test(value)) block.retry = +value;
}
