// Gets descriptors from a running edge or from a file.
import { readFile } from "node:fs/promises";

const PATH = "/.well-known/lastmile/descriptors";

/** What an edge serves, and the tag that tells whether it has changed since. */
export interface Descriptors {
  bytes: Uint8Array;
  etag: string;
}

/** `source` is an edge's URL, or a file that `buf build -o FILE` or `protoc --descriptor_set_out` wrote. */
export async function readDescriptors(source: string): Promise<Uint8Array> {
  if (!isUrl(source)) return readFile(source);
  const fetched = await fetchDescriptors(source);
  return fetched!.bytes;
}

/** Nothing when the edge still has those of `etag`. */
export async function fetchDescriptors(edge: string, etag = ""): Promise<Descriptors | undefined> {
  const url = edge.replace(/\/+$/, "") + PATH;
  const response = await fetch(url, { headers: etag ? { "if-none-match": etag } : {} }).catch((error: Error) => {
    throw new Error(`${edge} does not answer (${reason(error)}): is the edge running?`, { cause: error });
  });
  if (response.status === 304) return undefined;
  if (response.status === 404) {
    throw new Error(`${edge} shows no descriptors: start it with --dev, or set paths.descriptors = true`);
  }
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return { bytes: new Uint8Array(await response.arrayBuffer()), etag: response.headers.get("etag") ?? "" };
}

export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** fetch hides what happened in the cause. */
function reason(error: Error): string {
  const cause = error.cause as { code?: string; message?: string } | undefined;
  return cause?.code || cause?.message || error.message;
}
