/** The API of the edge, loaded once it is looked at. */
import type { LastmileError } from "@lastmile/client";
import { shallowRef } from "vue";
import { readRpcs, type Rpc } from "../core/descriptors.ts";
import { asLastmileError } from "../core/explain.ts";
import { readReference, type Reference } from "../core/openapi.ts";
import { readDescriptors, readOpenApi } from "../core/own.ts";

export function useReference() {
  const reference = shallowRef<Reference>();
  /** Empty where the edge does not show its descriptors. */
  const rpcs = shallowRef<Rpc[]>([]);
  const error = shallowRef<LastmileError>();

  async function load(): Promise<void> {
    error.value = undefined;
    try {
      const [document, set] = await Promise.all([readOpenApi(), readDescriptors().catch(() => undefined)]);
      rpcs.value = set ? readRpcs(set) : [];
      reference.value = readReference(document);
    } catch (thrown) {
      error.value = asLastmileError(thrown);
    }
  }
  void load();
  return { reference, rpcs, error, load };
}
