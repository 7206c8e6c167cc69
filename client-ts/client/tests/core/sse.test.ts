// The parser against an oracle: whatever the bytes look like and wherever they are cut, the blocks are the same.
import { expect, test } from "vitest";
import { type Block, sseParser } from "../../src/core/sse.ts";

const TEXT = [
  "retry: 1519",
  "",
  "event: lm-open",
  'data: {"heartbeatMs":15000}',
  "",
  "id: lm1.abc.1",
  "",
  ": a comment",
  "",
  "",
  "event:tick",
  "data: erste Zeile: äöü €😀",
  "data:  second, with a space of its own",
  "data",
  "id: lm1.abc.2",
  "",
  "data: 1",
  "id: bad\0id",
  "retry: soon",
  "unknown: field",
  "",
  "data: never finished",
].join("\n");

const BLOCKS: Block[] = [
  { retry: 1519 },
  { event: "lm-open", data: '{"heartbeatMs":15000}' },
  { id: "lm1.abc.1" },
  { event: "tick", data: "erste Zeile: äöü €😀\n second, with a space of its own\n", id: "lm1.abc.2" },
  { data: "1" },
];

const ENDINGS = { LF: "\n", CRLF: "\r\n", CR: "\r" };

function parse(bytes: Uint8Array, cuts: number[]): Block[] {
  const decoder = new TextDecoder();
  const take = sseParser();
  const edges = [0, ...cuts, bytes.length];
  return edges.slice(1).flatMap((to, index) => take(decoder.decode(bytes.subarray(edges[index], to), { stream: true })));
}

for (const [name, ending] of Object.entries(ENDINGS)) {
  const bytes = new TextEncoder().encode(TEXT.replaceAll("\n", ending));

  test(`one piece, ${name}`, () => {
    expect(parse(bytes, [])).toEqual(BLOCKS);
  });

  test(`cut at every byte, ${name}`, () => {
    for (let cut = 0; cut <= bytes.length; cut += 1) expect(parse(bytes, [cut]), `cut at ${cut}`).toEqual(BLOCKS);
  });

  test(`cut at every two bytes, ${name}`, () => {
    for (let first = 0; first <= bytes.length; first += 7) {
      for (let second = first; second <= bytes.length; second += 1) {
        expect(parse(bytes, [first, second]), `cut at ${first} and ${second}`).toEqual(BLOCKS);
      }
    }
  });

  test(`byte by byte, ${name}`, () => {
    expect(parse(bytes, Array.from(bytes, (_, index) => index))).toEqual(BLOCKS);
  });
}

test("a block that ends in a lone CR is there at once", () => {
  const take = sseParser();
  expect(take("data: 1\r\r")).toEqual([{ data: "1" }]);
  expect(take("\ndata: 2\r\n\r\n")).toEqual([{ data: "2" }]);
});
