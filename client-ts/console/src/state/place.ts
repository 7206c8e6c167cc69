/** Which page is shown: the live one, or the reference; told by the part of the address behind `#`. */
import { readonly, ref } from "vue";

const REFERENCE = "#/api";

const hash = ref(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export const place = {
  hash: readonly(hash),
  isReference: () => hash.value === REFERENCE || hash.value.startsWith(`${REFERENCE}/`),
  /** The operation that the address names. */
  operation: () => decodeURIComponent(hash.value.slice(REFERENCE.length + 1)),
};

export function operationHash(id = ""): string {
  return id ? `${REFERENCE}/${encodeURIComponent(id)}` : REFERENCE;
}
