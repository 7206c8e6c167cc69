/** The reference, loaded once it is looked at. */
import { shallowRef } from "vue";
import { readReference, type Reference } from "../core/openapi.ts";
import { asProblem, type Problem } from "../core/problem.ts";
import { api } from "./session.ts";

export function useReference() {
  const reference = shallowRef<Reference>();
  const problem = shallowRef<Problem>();

  async function load(): Promise<void> {
    problem.value = undefined;
    try {
      reference.value = readReference(await api.openapi());
    } catch (error) {
      problem.value = asProblem(error);
    }
  }
  void load();
  return { reference, problem, load };
}
