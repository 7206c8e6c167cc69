/** The edge's own pages, which are no methods: what it is, its API, its descriptors, its numbers. */
import { LastmileError } from "@lastmile/client";

export interface Info {
  dev: boolean;
  version: string;
  /** Where gRPC answers; null when it does not. */
  grpc: string | null;
}

export async function readInfo(): Promise<Info> {
  return (await get("/.well-known/lastmile/info")).json() as Promise<Info>;
}

export async function readOpenApi(): Promise<Record<string, unknown>> {
  return (await get("/openapi.json")).json() as Promise<Record<string, unknown>>;
}

/** An encoded FileDescriptorSet. */
export async function readDescriptors(): Promise<Uint8Array> {
  return new Uint8Array(await (await get("/.well-known/lastmile/descriptors")).arrayBuffer());
}

/** In the text format of Prometheus. */
export async function readMetrics(): Promise<string> {
  return (await get("/.well-known/lastmile/metrics")).text();
}

async function get(path: string): Promise<Response> {
  const response = await fetch(path);
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { code?: "NOT_FOUND"; reason?: string; detail?: string };
  const { code = "UNAVAILABLE", reason = "", detail = `HTTP ${response.status}` } = problem;
  throw new LastmileError(detail, { code, reason, status: response.status, answered: reason !== "" });
}
