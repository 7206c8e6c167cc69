/** Which page is shown, told by the part of the address behind `#`: the server knows one page only, and no path of it is taken. */
import { computed, ref } from "vue";

export const PAGES = ["live", "board", "users", "lab", "metrics", "api"] as const;
export type Page = (typeof PAGES)[number];

const hash = ref(location.hash);
/** Another page was asked for, and has not received the reader yet. */
let isMoving = false;
addEventListener("hashchange", () => {
  const before = place.page.value;
  hash.value = location.hash;
  isMoving ||= before !== place.page.value;
});

const parts = computed(() => {
  const [page = "", ...rest] = hash.value.replace(/^#\/?/, "").split("/");
  const known = PAGES.find((each) => each === page && hash.value.startsWith("#/"));
  // A bare name is a topic.
  return known ? { page: known, detail: decode(rest.join("/")) } : { page: "live" as const, detail: decode(page) };
});

export const place = {
  page: computed<Page>(() => parts.value.page),
  /** What the page shows of many: a topic, an operation. */
  detail: computed(() => parts.value.detail),
  /** Whether the reader has just come to another page; said once. */
  takeMove(): boolean {
    const was = isMoving;
    isMoving = false;
    return was;
  },
};

export function hashOf(page: Page, detail = ""): string {
  return `#/${page}${detail && `/${encodeURIComponent(detail)}`}`;
}

/** The address of what is shown anyway: nobody has to come back to the one before. */
export function nameDetail(page: Page, detail: string): void {
  history.replaceState(null, "", hashOf(page, detail));
  hash.value = location.hash;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
