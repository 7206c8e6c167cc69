import { useStream } from "@lastmile/client/vue";
import { topics } from "./link";

/** Notes every number, where no reload of any kind forgets it. */
export function useNumbers() {
  return useStream(topics.subscribe, { topic: "news" }, {
    event: ({ data }) => void (sessionStorage.numbers = `${sessionStorage.numbers ?? ""}${data as number},`),
    gap: ({ reason }) => void (sessionStorage.gaps = reason),
  });
}
// edit 0
